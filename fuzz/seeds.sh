#!/bin/sh
# Makes seeds for the targets below fuzz/corpus, with the tools that make the real thing; a target
# whose tools are missing has none. No root but for LVM, for fast commits of ext4 and
# for logs of XFS and btrfs. One function a target; without arguments
# all of them.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tree="$work/tree"
mkdir -p "$tree/a/b"
for i in 1 2 3 4 5 6 7 8; do echo "$i" >"$tree/a/name-$i"; done
head -c 9000 /dev/zero | tr '\0' x >"$tree/file"
truncate -s 100M "$tree/sparse"
ln -s a/b "$tree/link"
ln -s "$(head -c 200 /dev/zero | tr '\0' l)" "$tree/long-link"
mkfifo "$tree/fifo"
setfattr -n user.small -v value "$tree/file" 2>/dev/null || :

ext4() {
    out=corpus/ext4
    mkdir -p "$out"
    one() {
        name=$1 type=$2 features=$3
        truncate -s 400K "$work/$name"
        mke2fs -q -F -t "$type" -b 1024 -N 32 -O "$features" -d "$tree" "$work/$name"
        # What is used lies at the beginning; a target takes zeros for the rest.
        head -c 200K "$work/$name" >"$out/$name"
    }
    one extents ext4 '^metadata_csum,^has_journal,^resize_inode,64bit'
    one inline ext4 '^metadata_csum,^has_journal,^resize_inode,inline_data'
    one checksums ext4 'metadata_csum,^has_journal,^resize_inode,64bit'
    one maps ext2 '^resize_inode'
    one groups ext4 '^metadata_csum,^has_journal,^resize_inode,meta_bg,bigalloc,ea_inode'
    # A journal that was not replayed, without checksums and with both versions of them.
    for version in none 2 3; do
        rm -f "$work/log"
        truncate -s 2100K "$work/log"
        mke2fs -q -F -t ext4 -b 1024 -N 32 -J size=1 -E packed_meta_blocks=1 \
            -O '^metadata_csum,^resize_inode' -d "$tree" "$work/log"
        case $version in none) how='' ;; *) how="-c -v $version" ;; esac
        printf 'jo %s\njw -b 1200,1201,1202 %s\njc\njo %s\njw -r 1201\njc\n' \
            "$how" "$tree/file" "$how" >"$work/requests"
        debugfs -w -f "$work/requests" "$work/log" >/dev/null 2>&1
        head -c 1300K "$work/log" >"$out/log-$version"
    done
    # Fast commits need a mount.
    truncate -s 4M "$work/fast"
    mke2fs -q -F -t ext4 -b 1024 -N 32 -J size=1,fast_commit_size=256 -E packed_meta_blocks=1 \
        -O 'fast_commit,^metadata_csum,^resize_inode' "$work/fast"
    mkdir -p "$work/mount"
    if mount -o loop,commit=1000 "$work/fast" "$work/mount" 2>/dev/null; then
        at="$work/mount"
        mkdir "$at/d"
        echo a >"$at/a"
        sync -f "$at"
        ln "$at/a" "$at/d/link"
        rm "$at/a"
        mkdir "$at/d/e"
        seq 3000 >"$at/d/e/numbers"
        sync "$at/d/e/numbers" "$at/d/link"
        head -c 1340K "$work/fast" >"$out/fast"
        umount "$at"
    fi
}

xfs() {
    out=corpus/xfs
    mkdir -p "$out"
    # A tree as mkfs.xfs wants it told. Version 4 has no checksums that stop a mutation.
    {
        printf 'boot 0 0\nd--755 0 0\nfile ---644 0 0 %s\n' "$tree/file"
        printf 'link l--777 0 0 a/b\nlong l--777 0 0 %s\n' "$(head -c 200 /dev/zero | tr '\0' l)"
        printf 'null c--644 0 0 1 3\nfew d--755 0 0\nname ---644 0 0 %s\n$\nmany d--755 0 0\n' "$tree/a/name-1"
        for i in $(seq 90); do printf 'name-number-%s ---644 0 0 %s\n' "$i" "$tree/a/name-2"; done
        printf '$\n$\n'
    } >"$work/prototype"
    one() {
        name=$1
        shift
        truncate -s 40M "$work/$name"
        mkfs.xfs --unsupported -q -f -d size=40m,agcount=2 -l agnum=1 -p "$work/prototype" "$@" "$work/$name"
        set -- -c 'path /file'
        for i in $(seq 20); do set -- "$@" -c "attr_set -u -v 20 attribute-$i"; done
        xfs_db -x "$@" -c 'attr_set -r -v 3000 large' -c 'path /few' -c 'attr_set -s -v 9 short' "$work/$name"
        head -c 400K "$work/$name" >"$out/$name"
    }
    one short -m crc=0 -b size=512 -n size=4096
    one kinds -m crc=0 -b size=1024 -n size=4096,ftype=0
    one checksums -b size=1024
    # A log that was not replayed needs a mount.
    truncate -s 64M "$work/log"
    mkfs.xfs --unsupported -q -f -d size=64m,agcount=2 -l agnum=0 -b size=1024 "$work/log"
    mkdir -p "$work/mount"
    if mount -t xfs -o loop "$work/log" "$work/mount" 2>/dev/null; then
        mkdir "$work/mount/few"
        for i in $(seq 20); do ln -s "$i" "$work/mount/few/link-$i"; done
        setfattr -n user.small -v value "$work/mount/few" || :
        xfs_io -x -c 'shutdown -f' "$work/mount"
        umount "$work/mount"
        head -c 1300K "$work/log" >"$out/log"
    fi
}

tars() {
    out=corpus/tar
    mkdir -p "$out"
    tar --format=ustar --exclude=./sparse --exclude=./long-link -cf "$out/ustar" -C "$tree" .
    tar --format=gnu --sparse -cf "$out/gnu" -C "$tree" .
    for version in 0.0 0.1 1.0; do
        tar --format=pax --xattrs --acls --sparse --sparse-version="$version" \
            -cf "$out/pax-$version" -C "$tree" .
    done
    for program in gzip zstd xz bzip2; do
        "$program" -c "$out/gnu" >"$out/gnu-$program" || rm -f "$out/gnu-$program"
    done
}

btrfs() {
    out=corpus/btrfs
    mkdir -p "$out"
    # Without the large hole, which mkfs would write.
    cp -a "$tree" "$work/btrfs-tree"
    rm -f "$work/btrfs-tree/sparse"
    for features in no-holes ^no-holes; do
        truncate -s 32M "$work/btrfs"
        mkfs.btrfs -q -f -M -n 4096 -O "$features" -r "$work/btrfs-tree" "$work/btrfs"
        btrfs_packed "$out/$features"
    done
    # A log: taken while it is mounted, after something was fsynced.
    [ "$(id -u)" = 0 ] && mkdir -p "$work/mounted" &&
        mount -o loop,commit=300 "$work/btrfs" "$work/mounted" || return 0
    btrfs_changed "$work/mounted"
    btrfs_packed "$out/log"
    umount "$work/mounted"
}

# The parts of an image in which anything lies: superblock, first chunk, second chunk.
btrfs_packed() {
    {
        dd if="$work/btrfs" bs=4K skip=16 count=1
        dd if="$work/btrfs" bs=64K skip=16 count=1
        dd if="$work/btrfs" bs=4K skip=1280 count=64
    } >"$1" 2>/dev/null
}

btrfs_changed() {
    for i in $(seq 20); do echo "$i" >"$1/changed-$i"; done
    command btrfs -q filesystem sync "$1"
    seq 3000 >"$1/changed-4"
    setfattr -n user.changed -v value "$1/changed-5"
    # Across directories all would be written out at once.
    mv "$1/changed-1" "$1/renamed"
    ln "$1/changed-3" "$1/another"
    rm "$1/changed-2"
    mkdir "$1/new"
    command sync "$1/changed-4" "$1/changed-5" "$1/renamed" "$1/changed-3" "$1/new" "$1"
}

squashfs() {
    out=corpus/squashfs
    mkdir -p "$out"
    for compression in gzip xz lzo lz4 zstd lzma; do
        mksquashfs "$tree" "$out/$compression" -quiet -no-progress -noappend -b 4096 \
            -comp "$compression" >/dev/null || :
    done
    # What is not compressed is what a mutation reaches.
    mksquashfs "$tree" "$out/plain" -quiet -no-progress -noappend -noI -noD -noF -noX >/dev/null
    mksquashfs "$tree" "$out/tables" -quiet -no-progress -noappend -noI -noX -no-fragments >/dev/null
}

erofs() {
    out=corpus/erofs
    mkdir -p "$out"
    cp -a "$tree" "$work/erofs-tree"
    rm -f "$work/erofs-tree/sparse"
    seq 9000 >"$work/erofs-tree/text"
    seq 3000 9000 >"$work/erofs-tree/text-again"
    one() {
        name=$1
        shift
        mkfs.erofs "$@" "$out/$name" "$work/erofs-tree" >/dev/null 2>&1 || rm -f "$out/$name"
    }
    one plain
    one chunks --chunksize=4096
    one lz4 -zlz4
    one legacy -zlz4hc -Elegacy-compress
    one dedupe -zlz4hc -Ededupe
    one fragments -zlz4hc -Efragments,ztailpacking -C16384
    for compression in lzma deflate zstd; do one "$compression" "-z$compression"; done
}

fat() {
    out=corpus/fat
    mkdir -p "$out"
    for bits in 12 16 32; do
        case $bits in 12) size=1440 how=-s1 ;; 16) size=4200 how=-s1 ;; *) size=33500 how=-s1 ;; esac
        rm -f "$work/fat"
        mkfs.vfat -C -F "$bits" "$how" "$work/fat" "$size" >/dev/null
        mcopy -s -i "$work/fat" "$tree/a" "$tree/file" ::/
        mcopy -i "$work/fat" "$tree/file" '::/a long name with Capitals.txt'
        head -c 700K "$work/fat" >"$out/fat$bits"
    done
}

iso9660() {
    out=corpus/iso9660
    mkdir -p "$out"
    common="-quiet -m sparse -m fifo"
    # shellcheck disable=SC2086
    genisoimage $common -R -o "$out/rock" "$tree" 2>/dev/null
    # shellcheck disable=SC2086
    genisoimage $common -J -o "$out/joliet" "$tree" 2>/dev/null
    # shellcheck disable=SC2086
    genisoimage $common -o "$out/plain" "$tree" 2>/dev/null
    xorriso -as mkisofs -quiet -R -m sparse -o "$out/xorriso" "$tree" 2>/dev/null || :
}

containers() {
    out=corpus/containers
    mkdir -p "$out"
    { seq 20000; head -c 300K /dev/zero; seq 9000; } >"$work/disk"
    truncate -s 1M "$work/disk"
    one() {
        name=$1 format=$2
        shift 2
        qemu-img convert -O "$format" "$@" "$work/disk" "$out/$name"
    }
    one qcow2 qcow2 -o cluster_size=4096
    one version-2 qcow2 -o compat=0.10,cluster_size=4096 -c
    one zlib qcow2 -c -o cluster_size=4096
    one zstd qcow2 -c -o compression_type=zstd,cluster_size=4096
    one extended qcow2 -o extended_l2=on,cluster_size=16k
    cp "$out/qcow2" "$out/snapshot"
    qemu-img snapshot -c 1 "$out/snapshot"
    one sparse vmdk
    one stream vmdk -o subformat=streamOptimized
    one dynamic vpc
    one fixed vpc -o subformat=fixed
    one vdi vdi
    # Its parts lie 1 MiB apart; the target takes pieces.
    qemu-img convert -O vhdx -o block_size=1M,log_size=1M "$work/disk" "$work/vhdx"
    for piece in 0:320 1024:64 2048:64 3072:64 4096:300; do
        dd if="$work/vhdx" bs=1K skip="${piece%:*}" count="${piece#*:}" status=none
    done >"$out/vhdx"
}

volumes() {
    out=corpus/volumes
    mkdir -p "$out"
    truncate -s 4M "$work/gpt"
    sgdisk -n 1:2048:+1M -n 2:0:+512K -c 1:root "$work/gpt" >/dev/null
    head -c 40K "$work/gpt" >"$out/gpt"
    truncate -s 4M "$work/mbr"
    parted -s "$work/mbr" mklabel msdos mkpart primary 64s 1023s mkpart extended 1024s 4000s \
        mkpart logical 1088s 1500s mkpart logical 2000s 3000s
    head -c 1100K "$work/mbr" >"$out/mbr"
    # Loop devices need root.
    truncate -s 4M "$work/lvm"
    if loop=$(losetup -f --show "$work/lvm" 2>/dev/null); then
        config="devices { use_devicesfile=0 filter=[\"a|$loop|\",\"r|.*|\"] }"
        tool() {
            program=$1
            shift
            "$program" -q --config "$config" --driverloaded n "$@" >/dev/null
        }
        # The group's name is the machine's for a moment.
        group=fuzzing$$
        tool pvcreate "$loop" && tool vgcreate -s 256k "$group" "$loop" &&
            tool lvcreate -an -Zn -Wn -l 2 -n root "$group" &&
            tool lvcreate -an -Zn -Wn -l 1 -n home "$group" || :
        losetup -d "$loop"
        head -c 40K "$work/lvm" >"$out/lvm"
    fi
}

archives() {
    out=corpus/archives
    mkdir -p "$out" "$work/docker" "$work/upper/a" "$work/oci/blobs/sha256"
    : >"$work/upper/a/.wh.name-1"
    : >"$work/upper/a/.wh..wh..opq"
    echo new >"$work/upper/a/new"
    tar --format=pax --exclude=./sparse -cf "$work/docker/1.tar" -C "$tree" .
    tar --format=pax -cf "$work/docker/2.tar" -C "$work/upper" .
    sum() { sha256sum "$1" | cut -d' ' -f1; }
    config=$(printf '{"architecture":"amd64","os":"linux","config":{"Env":["A=1"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s","sha256:%s"]}}' \
        "$(sum "$work/docker/1.tar")" "$(sum "$work/docker/2.tar")")
    echo "$config" >"$work/docker/config.json"
    echo '[{"Config":"config.json","RepoTags":["a:1"],"Layers":["1.tar","2.tar"]}]' >"$work/docker/manifest.json"
    tar --format=ustar -cf "$out/docker" -C "$work/docker" manifest.json config.json 1.tar 2.tar
    blob() {
        sum=$(sum "$1")
        cp "$1" "$work/oci/blobs/sha256/$sum"
        printf '{"mediaType":"%s","digest":"sha256:%s","size":%s}' "$2" "$sum" "$(stat -c %s "$1")"
    }
    gzip -k "$work/docker/2.tar"
    layer=application/vnd.oci.image.layer.v1.tar
    printf '{"schemaVersion":2,"config":%s,"layers":[%s,%s]}' \
        "$(blob "$work/docker/config.json" application/vnd.oci.image.config.v1+json)" \
        "$(blob "$work/docker/1.tar" $layer)" "$(blob "$work/docker/2.tar.gz" $layer+gzip)" >"$work/manifest"
    printf '{"schemaVersion":2,"manifests":[%s]}' \
        "$(blob "$work/manifest" application/vnd.oci.image.manifest.v1+json)" >"$work/oci/index.json"
    echo '{"imageLayoutVersion":"1.0.0"}' >"$work/oci/oci-layout"
    tar --format=ustar -cf "$out/oci" -C "$work/oci" oci-layout index.json blobs
}

# The number of the file in the target's list, then its bytes.
numbered() {
    { printf "\\$(printf %03o "$1")" && cat "$2"; } >"$3"
}

databases() {
    out=corpus/databases
    mkdir -p "$out"
    one() {
        if [ -f "$2" ]; then
            head -c 400K "$2" >"$work/head"
            numbered "$1" "$work/head" "$out/$1-$3"
        fi
    }
    fixtures=${DRIFTCHECK_FIXTURES:-../../shared/fixtures}/rpmdb
    for file in "$fixtures"/*/Packages; do one 0 "$file" bdb; done
    for file in "$fixtures"/*/Packages.db; do one 1 "$file" ndb; done
    for file in "$fixtures"/*/rpmdb.sqlite; do one 2 "$file" sqlite; done
    for journal in /var/log/journal/*/*.journal; do one 3 "$journal" journal && break; done
    one 4 /var/log/wtmp wtmp
    head -c 20K /var/lib/dpkg/status >"$work/status" 2>/dev/null && one 5 "$work/status" status
    printf 'P:a\nV:1-r0\nA:x86_64\nF:etc\nR:motd\nZ:Q1aaaaaaaaaaaaaaaaaaaaaaaaaaa=\n\n' >"$work/installed"
    one 6 "$work/installed" apk
    one 8 /usr/share/zoneinfo/Europe/Berlin zone
    one 14 /var/lib/dpkg/alternatives/editor alternative
    one 15 /usr/share/keyrings/debian-archive-keyring.gpg keys
}

java() {
    out=corpus/java
    mkdir -p "$out"
    python3 - "$work" <<'PYTHON'
import io, sys, zipfile

def jar(members, method=zipfile.ZIP_DEFLATED, comment=b"", wide=False):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.comment = comment
        for name, data in members:
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=wide) as member:
                member.write(data)
    return file.getvalue()

def pom(artifact):
    text = f"#Generated\nversion=1.0\ngroupId=org.x\nartifactId={artifact}\n"
    return f"META-INF/maven/org.x/{artifact}/pom.properties", text.encode()

manifest = ("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\nImplementation-Title: a\r\n"
            b"Implementation-Version: 3.0\r\nBundle-SymbolicName: a.b;x:=y\r\n")
library = jar([manifest, pom("lib")])
shaded = jar([manifest, pom("app"), pom("lib"), ("A.class", b"x" * 50)], comment=b"PK\5\6")
fat = jar([manifest, ("BOOT-INF/lib/lib-1.0.jar", library)], zipfile.ZIP_STORED)
war = jar([manifest, ("WEB-INF/lib/lib-1.0.jar", library), ("WEB-INF/lib/fat-1.jar", fat)])
seeds = {"library": library, "shaded": shaded, "fat": fat, "war": war,
         "wide": jar([manifest, pom("lib")], wide=True), "program": b"#!/bin/sh\n" + fat}
for name, data in seeds.items():
    open(f"{sys.argv[1]}/{name}", "wb").write(data)
PYTHON
    for name in library shaded fat wide program; do numbered 0 "$work/$name" "$out/$name"; done
    numbered 1 "$work/war" "$out/war"
    numbered 3 "$work/library" "$out/repository"
}

executables() {
    out=corpus/executables
    mkdir -p "$out" "$work/go"
    # Only the part with the build information: nobody reads the rest.
    printf 'module example.org/x\ngo 1.18\n' >"$work/go/go.mod"
    printf 'package main\nfunc main() {}\n' >"$work/go/main.go"
    echo 'void _start(void) {}' >"$work/tiny.c"
    cc -nostdlib -static -s -o "$work/tiny" "$work/tiny.c" || return 0
    for system in linux windows; do
        (cd "$work/go" && GOFLAGS=-buildvcs=false CGO_ENABLED=0 GOOS=$system GOARCH=amd64 \
            go build -ldflags='-s -w' -o ../program .) 2>/dev/null || continue
        case $system in
        linux)
            llvm-objcopy --dump-section .go.buildinfo="$work/information" "$work/program" /dev/null &&
                objcopy --add-section .go.buildinfo="$work/information" "$work/tiny" "$out/go-elf" ;;
        *) llvm-objcopy --only-section=.data "$work/program" "$out/go-pe" ;;
        esac || :
    done
    python3 -c 'import sys, zlib; sys.stdout.buffer.write(zlib.compress(
b"""{"packages":[{"name":"a","version":"1.0.0","source":"local","root":true,"dependencies":[1]},
{"name":"b","version":"2.0.0","source":"crates.io","kind":"build"}]}"""))' >"$work/list"
    objcopy --add-section .dep-v0="$work/list" "$work/tiny" "$out/rust"
}

languages() {
    out=corpus/languages
    mkdir -p "$out"
    # As the target numbers them, with a line of each kind.
    one() {
        printf '%b' "$2" >"$work/text"
        numbered "$1" "$work/text" "$out/$1-$3"
    }
    one 0 'Metadata-Version: 2.1\nName: A_b\nVersion: 1.0\nRequires-Dist: c>1; extra == "x"\n\ntext\n' metadata
    one 1 'a.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"b,c.py",,\n../../bin/a,md5=x,9\n' record
    one 2 '{"url":"https://u:p@x.org/a.git","vcs_info":{"vcs":"git","commit_id":"abc"},"dir_info":{"editable":true}}' direct
    one 3 'Name: a\nVersion: 1\n' egg
    one 4 '{"name":"a","version":"1.0.0","license":{"type":"MIT"},"dependencies":{"b":"^1"}}' package
    one 5 '{"packages":{"node_modules/a":{"version":"1.0.0","resolved":"https://x.org/a.tgz","dev":true}}}' lock
    one 6 '# -*- encoding: utf-8 -*-\n# stub: a 1.0 ruby lib\nGem::Specification.new do |s|\n  s.name = "a".freeze\n  s.version = "1.0"\n  s.add_runtime_dependency(%q<b>.freeze, ["~> 1.0"])\nend\n' gemspec
    one 7 '{"packages":[{"name":"a/b","version":"1.0","source":{"type":"git","reference":"abc"},"require":{"c/d":"*"}}],"dev":true}' composer
    one 9 '{"name":"a","version":"1","build":"0","files":["x"],"paths_data":{"paths":[{"_path":"x","sha256":"00"}]}}' conda
    one 10 'Package: a\nVersion: 1.0\nDepends: R (>= 3), b\n' r
    one 11 '/usr/lib/perl5/A.pm\n/usr/bin/a type=link from=/x\n' packlist
    one 12 '=head2 Sun Nov 23 08:00:00 2026: C<Module> L<A|A>\n\n=over 4\n\n=item *\n\nC<VERSION: 1.0>\n' journal
    one 13 '{"runtimeTarget":{"name":"x"},"targets":{"x":{"a/1":{"dependencies":{"b":"1"}}}},"libraries":{"a/1":{"type":"package","sha512":"x"}}}' deps
    purl='pkg:deb/debian/a@1%3A2?arch=amd64&distro=debian-12'
    one 15 "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.6\",\"components\":[{\"type\":\"library\",\"purl\":\"$purl\",\"components\":[{\"purl\":\"pkg:npm/b@1\"}]}]}" cyclonedx
    one 15 "<?xml version=\"1.0\"?><!DOCTYPE bom [<!ENTITY a \"b\">]><bom xmlns=\"http://cyclonedx.org/schema/bom/1.4\"><components><component type=\"library\"><purl>pkg:npm/%40s/b@1?x=1&amp;y=&#50;<![CDATA[z]]></purl><components><component/></components></component></components></bom>" xml
    one 15 "{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[{\"name\":\"a\",\"externalRefs\":[{\"referenceType\":\"purl\",\"referenceLocator\":\"$purl\"}]}]}" spdx
    one 15 "SPDXVersion: SPDX-2.3\nPackageName: a\nPackageComment: <text>x\ny</text>\nExternalRef: PACKAGE-MANAGER purl $purl\nFileName: ./x\n" tags
    one 15 "{\"artifacts\":[{\"name\":\"a\",\"type\":\"deb\",\"purl\":\"$purl\"}],\"descriptor\":{\"name\":\"syft\",\"version\":\"1\"}}" syft
}

# Build files: small ones that reach the deep parts; a folder of real ones in PINS_FILES is added, by
# their names.
pins() {
    # The target, the number of the kind of file in its list (empty where it has one kind), a name.
    seed() {
        mkdir -p "corpus/$1"
        { if [ -n "$2" ]; then printf "\\$(printf %03o "$2")"; fi && cat; } >"corpus/$1/$3"
    }
    seed pins_shell '' plain <<'END'
#!/bin/bash
set -e; V=1.2; P=(jq "curl=$V")
f() { sudo apt-get install -y --no-install-recommends "$@"; }
f "${P[@]}" a-{b,c}; for i in x y; do pip install "$i==${V:-1}" 'z>=2'; done
curl -fsSL "https://e.org/v$V/x.tgz" -o /tmp/x && echo "abc  /tmp/x" | sha256sum -c && tar xf /tmp/x
cat >/tmp/i.sh <<EOT
npm i -g @a/b@^5 $(echo c)
EOT
bash /tmp/i.sh; env A=1 bash -c "gem install -v '~> 2' d" | xargs -n1 docker pull
case $1 in a|b) eval "apk add e~1";; *) git clone -b main https://e.org/g.git;; esac
echo YXB0LWdldCBpbnN0YWxsIGN1cmwK | base64 -d | sh # driftcheck:ignore pins/download reason="x"
END
    seed pins_dockerfile '' plain <<'END'
# syntax=docker/dockerfile:1
ARG B=debian:12
FROM --platform=$P ${B%:*}:${T:-latest} AS a
ENV V=1.2 W="x y"
ADD --checksum=sha256:ab https://e.org/x /x
COPY --from=a:1 --link x.sh /t/
RUN --mount=type=bind,from=c:2 ["sh", "-c", "apk add \"d\u0065\""]
RUN <<EOT bash && \
  # why
  /t/x.sh
pip install e==$V
EOT
ONBUILD RUN npm ci
SHELL ["pwsh", "-Command"]
RUN choco install f
HEALTHCHECK CMD curl -f x
END
    seed pins_makefile '' plain <<'END'
V ?= 1.2
L := a b
include x.mk
define D
apt-get install $(1)
endef
t: u ; @pip install x==$(V) \
	y
	-$(foreach i,$(L),gem install $(i);)
	$(call D,$@) $$HOME
ifeq ($(V),)
endif
.ONESHELL:
END
    seed pins_powershell '' plain <<'END'
<# x #>
$v = "1.2"; $l = @('a', "b`n$v")
choco install git --version=$v -y
foreach ($p in $l) { Install-Module -Name $p -RequiredVersion "$($v)" }
iwr https://e.org/x.ps1 -OutFile x.ps1; iex ((New-Object Net.WebClient).DownloadString('https://e.org'))
$s = @"
winget install $v
"@
if ($a) { & pip install x } else { Start-Process msiexec -ArgumentList '/i','https://e.org/a.msi' }
END
    seed pins_cloud_init 0 config <<'END'
apt: {sources: {a: {source: "ppa:b/c"}}}
packages: [curl, [jq, 1.6], {snap: [lxd, --channel=5/stable]}]
runcmd: ["apt-get install a", [pip, install, "b>=1"]]
write_files:
- {path: /x.sh, encoding: b64, content: IyEvYmluL3NoCmFwdC1nZXQgaW5zdGFsbCBjdXJsCg==}
chef: {omnibus_version: latest}
END
    seed pins_cloud_init 1 multipart <<'END'
Content-Type: text/x-shellscript; charset="us-ascii"
Content-Transfer-Encoding: base64

IyEvYmluL3NoCmFwdC1nZXQgaW5zdGFsbCBjdXJsCg==
--B
Content-Type: text/cloud-config
Content-Transfer-Encoding: quoted-printable

packages: [a=3D1]
--B--
END
    seed pins_cloud_init 2 template <<'END'
{% set p = 'curl' %}
{% if v1.distro == 'debian' %}
packages: ["{{ p }}={{ ds.x | default('1') }}"]
{% endif %}
END
    seed pins_github_actions '' workflow <<'END'
on: push
env: {A: '1'}
jobs:
  a:
    strategy: {matrix: {v: [1, '2.0'], include: [{v: latest}]}}
    runs-on: ${{ matrix.v == '1' && 'ubuntu-latest' || 'ubuntu-22.04' }}
    container: {image: "debian:${{ matrix.v }}"}
    steps:
    - uses: actions/checkout@v4 # x
    - uses: actions/setup-node@0123456789012345678901234567890123456789
      with: {node-version: lts/*}
    - run: |
        pip install a==$A
        npm i ${{ env.A }}
      shell: bash
  b: {uses: ./.github/workflows/x.yml}
END
    seed pins_ansible '' playbook <<'END'
- hosts: all
  vars: {p: curl, l: [a, b], v: "{{ p }}=1"}
  tasks:
  - ansible.builtin.apt: {name: "{{ item }}", state: latest}
    loop: "{{ l + ['c'] }}"
  - block:
    - get_url: url=https://e.org/x dest=/x checksum=sha256:ab
    - shell: |
        pip install {{ p | default('x') }}
      when: p is defined
  - docker_container: {image: "d:{{ v.split('=')[1] }}"}
  roles: [{role: a}]
END
    seed hcl 0 packer <<'END'
packer { required_plugins { a = { version = ">= 1", source = "github.com/a/a" } } }
variable "v" { default = "1.2" }
locals { l = join(" ", [for p in ["a", "b"] : "${p}=${var.v}"]) }
source "docker" "x" { image = "debian:${var.v}" }
build {
  sources = ["source.docker.x"]
  provisioner "shell" { inline = ["apt-get install ${local.l}", <<-EOT
    pip install %{ if true ~} c %{ endif }
    EOT
  ] }
}
END
    seed hcl 2 legacy <<'END'
{"variables": {"v": "1"}, "builders": [{"type": "docker", "image": "debian:{{user `v`}}"}],
 "provisioners": [{"type": "shell", "inline": ["apt-get install \"a\u0062\""]}]}
END
    seed hcl 3 terraform <<'END'
terraform { required_version = "~> 1" }
module "m" { source = "git::https://e.org/a.git//x?ref=main" }
data "aws_ami" "a" { most_recent = true }
resource "aws_instance" "i" {
  ami = data.aws_ami.a.id
  user_data = base64encode(templatefile("x.tpl", { a = 1 }))
  provisioner "remote-exec" { inline = ["apt-get install curl"] }
}
END
    seed pins_ruby 0 recipe <<'END'
v = node['a']['v'] || '1.2'
%w(curl jq).each do |p|
  package p do
    version "#{v}-1" if p == 'jq'
    action [:install, :upgrade]
  end
end
package ['a', 'b'] => nil
remote_file '/x' do source "https://e.org/#{v}"; checksum 'ab' end
bash 'y' do
  code <<~EOH
    apt-get install #{v}
  EOH
end
END
    seed pins_ruby 1 attributes <<'END'
default['a']['v'] = '1.2'
default['a']['w'] = "#{node['a']['v']}-1"
END
    seed pins_ruby 3 berksfile <<'END'
source 'https://supermarket.chef.io'
cookbook 'a', '~> 1.2', git: 'https://e.org/a.git', branch: 'main'
END
    seed pins_ruby 5 gemfile <<'END'
gem 'rake', '~> 13', require: false
gem "x", git: "https://e.org/x", ref: "abc"
END
    seed pins_ruby 7 vagrantfile <<'END'
Vagrant.configure("2") do |config|
  config.vm.box = "a/b"
  config.vm.provision "shell", inline: <<-SHELL
    apt-get install -y curl
  SHELL
end
END
    seed pins_puppet 0 manifest <<'END'
class a ($v = '1.2', Array $l = ['x', 'y']) {
  package { ['curl', "jq-${v}"]: ensure => latest, provider => 'pip' }
  $l.each |$p| { package { $p: ensure => $v ? { '1' => present, default => "${v}-1" } } }
  exec { 'b': command => @("E"/L)
    apt-get install ${v}
    | E
  }
  if $facts['os'] =~ /x/ { include b } else { Package { ensure => '1' } }
}
END
    seed pins_puppet 1 puppetfile <<'END'
forge 'https://forgeapi.puppet.com'
mod 'puppetlabs/stdlib', :latest
mod 'a', :git => 'https://e.org/a', :ref => 'main'
END
    seed pins_salt 0 state <<'END'
{% set v = pillar.get('v', '1.2') %}
{%- for p in ['a', 'b'] if p != 'c' %}
{{ p }}:
  pkg.installed:
    - pkgs: [curl, jq: "{{ v | replace('.', '') }}"]
{%- endfor %}
x: {cmd.run: [{name: "pip install {{ p ~ '==' ~ v }}"}]}
END
    seed pins_salt 1 map <<'END'
x:
  pkg.installed: [{version: {{ a.v }}}]
END
    seed pins_ci 0 gitlab <<'END'
include: [{local: /ci/other.yml}, {project: a/b, ref: main, file: x.yml}]
variables: {V: "1"}
.x: &x {image: "debian:$V"}
j: {extends: [.x, x], script: [!reference [.x, script], "apt-get install $V"], services: [{name: redis}]}
k: {<<: *x, parallel: {matrix: [{A: [1, 2]}]}}
END
    seed pins_ci 1 circleci <<'END'
version: 2.1
orbs: {n: circleci/node@5}
commands: {c: {parameters: {p: {type: string, default: x}}, steps: [{run: "pip install << parameters.p >>"}]}}
jobs: {j: {docker: [{image: "cimg/base:stable"}], steps: [checkout, {c: {p: y}}, n/install]}}
END
    seed pins_ci 2 azure <<'END'
- ${{ if eq(variables.a, 'b') }}:
  - task: UseNode@1
    inputs: {version: 1.x}
- script: apt-get install $(a)
- template: x.yml@y
END
    seed pins_ci 3 bitbucket <<'END'
image: {name: debian}
pipelines: {default: [{step: {script: ["apt-get install a", {pipe: "a/b:1"}]}}]}
END
    seed pins_ci 4 drone <<'END'
steps: [{name: a, image: debian, commands: [apk add b]}]
END
    seed pins_ci 5 cloudbuild <<'END'
- {name: 'gcr.io/a:${_V}', args: ['-c', 'apt-get install a'], entrypoint: bash}
END
    seed pins_ci 6 jenkins <<'END'
pipeline { agent { docker { image "debian:${v}" } }
  environment { v = '1' }
  stages { stage('a') { steps { sh """apt-get install ${env.v}
  curl x | sh""" ; sh(script: 'pip install a', returnStdout: true) } } } }
END
    seed pins_ci 7 hooks <<'END'
- {repo: https://e.org/a, rev: main, hooks: [{id: b, additional_dependencies: ["c>=1"]}]}
END
    seed pins_kubernetes 0 compose <<'END'
  a: {image: "debian:${V:-1}", command: sh -c "apk add b", build: {context: ., args: {A: 1}}, extends: {service: b}}
  b: {image: x, env_file: .env}
END
    seed pins_kubernetes 1 pod <<'END'
spec:
  containers: [{image: debian, command: [sh, -c], args: ["apt-get install a"]}]
---
apiVersion: v1
kind: ConfigMap
data: {x.sh: "pip install b"}
END
    seed pins_kubernetes 3 kustomization <<'END'
resources: [https://e.org/a?ref=main, b]
images: [{name: a, newTag: latest}]
helmCharts: [{name: a, repo: https://e.org}]
END
    seed pins_kubernetes 4 chart <<'END'
dependencies: [{name: a, version: ~1, repository: https://e.org}]
END
    seed pins_kubernetes 5 values <<'END'
a: {image: {registry: r, repository: b/c, tag: "1"}}
END
    seed pins_kubernetes 7 devcontainer <<'END'
{"image": "a", "features": {"ghcr.io/a/b:1": {"version": "latest"}}, // x
"postCreateCommand": "pip install c",}
END
    seed pins_manifests 0 requirements <<'END'
a==1.2 --hash=sha256:ab ; python_version < "3"
-r b.txt
-e git+https://e.org/c@main#egg=c
d[x,y]>=1,<2
END
    seed pins_manifests 1 pyproject <<'END'
[project]
dependencies = ["a>=1", "b @ https://e.org/b.whl"]
[tool.poetry.dependencies]
c = {version = "^1", extras = ["x"]}
END
    seed pins_manifests 4 package <<'END'
"a": "^1", "b": "github:c/d#main", "@e/f": "workspace:*", "g": "npm:h@1.2.3 || 2"}, "packageManager": "pnpm@9"}
END
    seed pins_manifests 5 go <<'END'
require (
	e.org/a v1.2.3 // indirect
	e.org/b v0.0.0-20200101000000-0123456789ab
)
replace e.org/a => ../a
toolchain go1.22.1
END
    seed pins_manifests 6 cargo <<'END'
a = "1.2"
b = { git = "https://e.org/b", branch = "main" }
END
    seed pins_manifests 8 tools <<'END'
nodejs 20 latest:18 # x
python ref:main
END
    seed pins_manifests 10 conda <<'END'
- a=1.2
- "b>=1"
- pip: [c, "d==1"]
END
    seed pins_locks 0 npm <<'END'
{"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": {"version": "1.2.3", "integrity": "x"}}}
END
    seed pins_locks 1 yarn <<'END'
# yarn lockfile v1
a@^1.2.0, "b@~2":
  version "1.2.3"
END
    seed pins_locks 2 pnpm <<'END'
lockfileVersion: '9.0'
importers: {.: {dependencies: {a: {specifier: ^1.2.0, version: 1.2.3(b@2.0.0)}}}}
END
    seed pins_locks 4 poetry <<'END'
[[package]]
name = "a"
version = "1.2"
files = [{file = "a.whl", hash = "sha256:ab"}]
END
    seed pins_locks 8 gems <<'END'
GEM
  specs:
    a (1.2.3-x86_64-linux)
DEPENDENCIES
  a (~> 1.2)!
END
    seed pins_locks 11 go <<'END'
example.org/a v1.2.0 h1:ab=
example.org/a v1.2.0/go.mod h1:cd=
END
    seed pins_locks 12 terraform <<'END'
provider "registry.terraform.io/h/a" {
  version = "1.2.0"
  constraints = "~> 1.2"
  hashes = ["h1:x", "zh:y"]
}
END
    # Real ones: a pattern, a target, the number of the kind.
    real() {
        find "${PINS_FILES:-/nonexistent}" -type f -size -8k -name "$1" 2>/dev/null | sort | head -150 |
            while read -r file; do
                seed "$2" "$3" "real-$(sha1sum <"$file" | head -c 12)" <"$file"
            done
    }
    real '*.sh' pins_shell ''
    real 'Dockerfile*' pins_dockerfile ''
    real 'Makefile' pins_makefile ''
    real '*.ps1' pins_powershell ''
    real 'user-data*' pins_cloud_init 3
    real 'cloud-config*' pins_cloud_init 3
    real '*.pkr.hcl' hcl 0
    real '*.tf' hcl 3
    real '*.rb' pins_ruby 0
    real 'Gemfile' pins_ruby 5
    real 'Vagrantfile' pins_ruby 7
    real '*.pp' pins_puppet 0
    real '*.sls' pins_salt 0
    real '.gitlab-ci.yml' pins_ci 0
    real 'Jenkinsfile' pins_ci 6
    real '*compose*.yml' pins_kubernetes 0
    real 'package.json' pins_manifests 4
    real 'requirements*.txt' pins_manifests 0
}

if [ $# -eq 0 ]; then
    set -- archives btrfs containers databases erofs executables ext4 fat iso9660 java languages pins squashfs \
        tars volumes xfs
fi
for target; do "$target"; done

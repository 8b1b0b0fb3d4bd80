#!/bin/sh
# Makes seeds for the targets below fuzz/corpus, with the tools that make the real thing; a target
# whose tools are missing has none. No root but for LVM. One function a target; without arguments
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
        # From the superblock on, as far as anything lies.
        tail -c +65537 "$work/btrfs" | head -c 6M >"$out/$features"
    done
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

databases() {
    out=corpus/databases
    mkdir -p "$out"
    # The number of the file in the target's list, then its bytes.
    one() {
        if [ -f "$2" ]; then
            { printf "\\$(printf %03o "$1")" && head -c 400K "$2"; } >"$out/$1-$3"
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

if [ $# -eq 0 ]; then
    set -- archives btrfs containers databases erofs ext4 fat iso9660 squashfs tars volumes xfs
fi
for target; do "$target"; done

#!/bin/sh
# Makes seeds for the targets below fuzz/corpus, with the tools that make the real thing.
# Needs e2fsprogs, btrfs-progs, xfsprogs (6.0 or later) and GNU tar; no root. One function a target.
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

btrfs
ext4
xfs
tars

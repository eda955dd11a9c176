#!/bin/sh
# Fetches Debian 12's two 32-bit kernels and BusyBox with apt-get and builds an initramfs from them.
#   fetch.sh [FOLDER]        default ${XDG_CACHE_HOME:-$HOME/.cache}/trivisor/linux
# Needs apt-get with a Debian 12 mirror, dpkg-deb, gzip and no privileges: apt works on its own lists in FOLDER,
# so the host's configuration stays as it is. Leaves vmlinuz-686, vmlinuz-686-pae, initrd-686.gz and
# initrd-686-pae.gz in FOLDER. Exit code 3: this host has no apt-get or no such packages.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/trivisor/linux}

missing() { echo "fetch.sh: $1" >&2; exit 3; }
for tool in apt-get apt-cache dpkg-deb gzip; do
  command -v "$tool" >/dev/null || missing "$tool is not installed"
done

mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/debs"
cd "$folder"
apt() {
  tool=$1; shift
  "$tool" -q -o Dir::State::Lists="$folder/apt/lists" -o Dir::Cache="$folder/apt/cache" -o Dir::State::status=/dev/null \
    -o APT::Architecture=i386 -o APT::Architectures::=i386 -o APT::Sandbox::User="$(id -un)" "$@"
}

# A mirror that cannot be reached, or a source without i386, matters only if a package is missing afterwards.
apt apt-get update >apt/update.log 2>&1 || true

# The package that holds a kernel: what the flavour's metapackage depends on.
kernel_of() { apt apt-cache depends "linux-image-$1" 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1; }

# Downloads and unpacks a package into unpacked/NAME, once.
unpack() {
  [ -d "unpacked/$1" ] && return
  (cd debs && rm -f "$1"_*.deb && apt apt-get download "$1" >/dev/null 2>&1) || missing "apt-get cannot download $1"
  rm -rf partial && mkdir -p partial unpacked
  dpkg-deb -x debs/"$1"_*.deb partial && mv partial "unpacked/$1"
}

# ---- cpio, "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst) ----

inode=0
header() { # name mode bytes major minor
  inode=$((inode + 1))
  printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X' \
    $inode "$2" 0 0 1 0 "$3" 0 0 "$4" "$5" $((${#1} + 1)) 0
  printf '%s\0' "$1"
  pad $((110 + ${#1} + 1))
}
pad() { case $(($1 % 4)) in 1) printf '\0\0\0' ;; 2) printf '\0\0' ;; 3) printf '\0' ;; esac; }
directory() { header "$1" $((0040755)) 0 0 0; }
device() { header "$1" $((0020600)) 0 "$2" "$3"; }
file() { # name mode path
  size=$(wc -c <"$3")
  header "$1" $((0100000 | $2)) "$size" 0 0
  cat "$3"
  pad "$size"
}
trailer() { header 'TRAILER!!!' 0 0 0 0; }

# Modules the script uses; what they depend on is added.
modules='ata_piix sd_mod sr_mod loop isofs crc32c_generic ext4 8139too'

# Prints a module's file and, before it, those it depends on. Names write - and _ as they like.
with_dependencies() { # folder name
  path=$(find "$1" -name "$(echo "$2" | sed 's/[-_]/[-_]/g').ko" | head -n 1)
  [ -n "$path" ] || return 0
  for dependency in $(tr '\0' '\n' <"$path" | sed -n 's/^depends=//p' | tr , ' '); do
    with_dependencies "$1" "$dependency"
  done
  find "$1" -name "$(echo "$2" | sed 's/[-_]/[-_]/g').ko" | head -n 1
}

initramfs() { # unpacked kernel package
  for name in dev proc sys bin mnt lib tmp; do directory $name; done
  device dev/console 5 1
  file init 0755 "$here/init"
  file script.sh 0755 "$here/script.sh"
  file bin/busybox 0755 unpacked/busybox-static/bin/busybox
  root=$(echo "$1"/lib/modules/*/kernel)
  number=10
  for path in $(for name in $modules; do with_dependencies "$root" "$name"; done | awk '!seen[$0]++'); do
    file "lib/$number-$(basename "$path")" 0644 "$path"
    number=$((number + 1))
  done
  trailer
}

unpack busybox-static
for flavour in 686 686-pae; do
  package=$(kernel_of $flavour)
  [ -n "$package" ] || missing "apt-get knows no linux-image-$flavour: its sources are not Debian 12's"
  unpack "$package"
  cp unpacked/"$package"/boot/vmlinuz-* vmlinuz-$flavour
  initramfs "unpacked/$package" | gzip -9n >initrd-$flavour.gz
  echo "$flavour: $package"
done

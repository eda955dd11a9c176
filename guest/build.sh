#!/bin/sh
# Builds both images from source: guest/images/guest-bare.elf and guest-xen.elf. The same source and compiler give the same bytes.
set -eu
cd "$(dirname "$0")"
out=${1:-images}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-m32 -O2 -march=i686 -std=gnu11 -ffreestanding -fno-pic -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables
	-fno-tree-loop-distribute-patterns -fcf-protection=none -fno-strict-aliasing -fno-common -mno-sse -mno-mmx -mno-80387
	-fomit-frame-pointer -Wall -Wno-unused-parameter -g0 -ffile-prefix-map=$PWD=. -nostdlib"
link="-m elf_i386 -nostdlib --build-id=none -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments"

compile() { # OBJECT SOURCE FLAG...
	object=$1; source=$2; shift 2
	gcc $flags "$@" -c "$source" -o "$object"
}

for source in user/libc.c user/start.S lib/lib.c; do
	compile "$work/user-$(basename "$source").o" "$source"
done
program() { # NAME SOURCE...
	name=$1; shift; objects=
	for part; do
		compile "$work/$name-$part.o" "user/$part.c"
		objects="$objects $work/$name-$part.o"
	done
	ld $link -s -T user/user.ld $objects "$work"/user-*.o -o "$work/$name"
}
program init init lmbench network specint files database web make
for name in true cc ld selftest; do program $name $name; done

# What shares libc.so: the loader and the library are laid out a page a function, as far apart as those of 2003 (README.md). The library
# has as many names, versions and relocations as glibc.
apart="-falign-functions=4096"
shared="$link -s -shared --hash-style=sysv -z norelro -z noseparate-code"
for part in rtld.c rtld.S ../lib/lib.c; do
	compile "$work/rtld-$(basename "$part").o" "user/$part" -fPIC -fvisibility=hidden $apart
done
ld $shared -Bsymbolic -e rtld_start "$work"/rtld-*.o -o "$work/ld.so"
for part in libcso.c sigreturn.S ../lib/lib.c; do
	compile "$work/libcso-$(basename "$part").o" "user/$part" -fPIC -fno-builtin $apart
done
awk -f user/rest.awk > "$work/rest.S"
compile "$work/libcso-rest.o" "$work/rest.S"
ld $shared -soname libc.so -init libc_init --version-script user/libc.map "$work"/libcso-*.o -o "$work/libc.so"
echo "libc.so /lib/libc.so" > "$work/ld.so.cache"
compile "$work/crt.o" user/crt.S
dynamic() { # NAME SOURCE...: linked to libc.so
	name=$1; shift; objects=
	for part; do
		compile "$work/$name-$part.o" "user/$part.c" -fno-builtin $apart
		objects="$objects $work/$name-$part.o"
	done
	ld $link -s -z norelro -z noseparate-code --hash-style=sysv -dynamic-linker /lib/ld.so "$work/crt.o" $objects "$work/libc.so" -o "$work/$name"
}
for name in hello lat_proc gcc cc1 as; do dynamic $name $name; done
dynamic sh sh shellvar builtin

for port in bare xen; do
	[ -e arch/$port/link.ld ] || continue
	objects=
	for source in arch/$port/*.[cS] kernel/*.[cS] net/*.c pv/*.c lib/lib.c; do
		object=$work/$port-$(basename "$source").o
		compile "$object" "$source" -Iarch/$port -Ikernel -Inet -Ipv -Wa,-I"$work"
		objects="$objects $object"
	done
	ld $link -n -s -T arch/$port/link.ld $objects -o "$out/guest-$port.elf"
done
ls -l "$out"

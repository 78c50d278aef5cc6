#!/bin/sh
# Makes a small libcurl for the static worker, which Debian's own cannot be (it needs libraries that have no
# static form): the distribution's source of the libcurl that is installed, with OpenSSL and c-ares and
# nothing else, HTTP and HTTPS only.
#   tools/static-curl.sh DIR      then: meson setup build -Dstatic_curl=DIR
#   tools/static-curl.sh --arch aarch64 DIR    for a worker that is built here for hosts of another
#                                 architecture: meson setup build-aarch64 --cross-file DIR/cross.ini
# Half a minute the first time; nothing when DIR holds what it would make. As root or with sudo it
# installs what is missing first. Sources come from where this machine gets its packages, by lists of its own:
# nothing else of the system changes. Exits with 1 where they cannot be had.
set -eu
tools=$(dirname "$0")
. "$tools/packages.sh"

arch=$(uname -m)
if [ "${1-}" = --arch ] && [ $# -eq 3 ]; then
	arch=$2
	shift 2
fi
cross=
purposes=static
if [ "$arch" != "$(uname -m)" ]; then
	case $arch in
	aarch64) cross=aarch64-linux-gnu debian=arm64 ;;
	*) cross=unknown ;;
	esac
	purposes="static cross"
fi
if [ "$cross" = unknown ]; then
	echo "tools/static-curl.sh: no compiler for $arch is known here: build the worker on such a machine" >&2
	exit 1
fi
if [ $# -ne 1 ] || [ "${1#-}" != "$1" ]; then
	sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
	exit 2
fi
mkdir -p "$(dirname "$1")"
dir=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")

CONFIGURE="--disable-shared --enable-static --disable-maintainer-mode --disable-dependency-tracking
	--with-openssl --enable-ares --disable-openssl-auto-load-config --without-ca-bundle --without-ca-path
	--without-zlib --without-brotli --without-zstd --without-libpsl --without-libidn2 --without-librtmp
	--without-libssh2 --without-libssh --without-nghttp2 --without-libgsasl --without-gssapi
	--enable-http --disable-ftp --disable-file --disable-ldap --disable-ldaps --disable-rtsp --disable-dict
	--disable-telnet --disable-tftp --disable-pop3 --disable-imap --disable-smb --disable-smtp
	--disable-gopher --disable-mqtt --disable-manual --disable-ntlm --disable-ntlm-wb --disable-tls-srp
	--disable-aws --disable-alt-svc --disable-hsts --disable-cookies --disable-netrc --disable-doh
	--disable-mime --disable-dateparse --disable-progress-meter --disable-websockets --disable-sspi
	--disable-kerberos-auth --disable-negotiate-auth --disable-unix-sockets --disable-libcurl-option"
# What a worker is linked to, and what meson asks for besides.
CROSS_LIBRARIES="libssl-dev libc-ares-dev libjansson-dev libexpat1-dev libcurl4-openssl-dev libssh2-1-dev
	libyaml-dev zlib1g-dev liburing-dev"
CFLAGS="-O2 -g -ffunction-sections -fdata-sections -fstack-protector-strong -D_FORTIFY_SOURCE=2"

fail() {
	echo "tools/static-curl.sh: $*" >&2
	exit 1
}

# version PACKAGE: of its source, without the number of a rebuild
version() {
	dpkg-query -W -f '${source:Version}' "$1"
}

# What is made follows from this text alone.
stamp_text() {
	echo "curl $(version libcurl4-openssl-dev)"
	echo "c-ares $(version libc-ares-dev)"
	echo "openssl $(version libssl-dev)"
	echo "cc ${cross:-$(${CC:-cc} -dumpmachine)} $CFLAGS"
	echo "$CONFIGURE"
	[ -z "$cross" ] || echo "$dir $CROSS_LIBRARIES"
}

# own_sources PLACE: the files of apt's sources that name the distribution, turned to its source packages
own_sources() {
	# shellcheck disable=SC1091
	origin=$(. /etc/os-release && echo "$ID")
	# shellcheck disable=SC2016 # apt's, not the shell's
	files=$(apt-get indextargets --format '$(ORIGIN)|$(SOURCESENTRY)' 'Created-By: Packages' |
		sed -n "s/^$origin|\(.*\):[0-9]*\$/\1/Ip" | sort -u)
	[ -n "$files" ] || files=$(ls /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true)
	mkdir -p "$1/sources" "$1/lists/partial" "$1/cache/archives/partial"
	for file in $files; do
		sed -e "s/^Types:.*/Types: deb-src${cross:+ deb}/" -e 's/^[[:space:]]*deb-src[[:space:]]/# &/' \
			-e 's/^[[:space:]]*deb\([[:space:]]\)/deb-src\1/' "$file" >"$1/sources/${file##*/}"
		case $cross:$file in
		?*.list) grep '^[[:space:]]*deb[[:space:]]' "$file" >>"$1/sources/${file##*/}" ;;
		esac
	done
}

# own_apt PLACE COMMAND...: apt-get that sees and writes only PLACE
own_apt() {
	at=$1
	shift
	[ -z "$cross" ] || set -- -o "APT::Architecture=$debian" -o "APT::Architectures=$debian" "$@"
	apt-get -q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$at/sources" \
		-o "Dir::State::lists=$at/lists" -o "Dir::Cache=$at/cache" -o APT::Sandbox::User= "$@"
}

fetch() {
	command -v apt-get >/dev/null || fail "there is no apt-get here that could fetch curl's source"
	own_sources "$1"
	own_apt "$1" update || fail "the lists of source packages cannot be fetched"
	(
		cd "$1"
		own_apt "$1" source "curl=$(version libcurl4-openssl-dev)" || own_apt "$1" source curl
	) || fail "the mirror has no source package of curl"
}

# Libraries of the other architecture, and a description of its compiler for meson. Paths in it are those of the
# folder that it will lie in.
fetch_libraries() {
	mkdir -p "$1/debs" "$1/made/root"
	# shellcheck disable=SC2086 # a list of words
	(cd "$1/debs" && own_apt "$1" download $CROSS_LIBRARIES) ||
		fail "the mirror has no libraries for $debian"
	for package in "$1"/debs/*.deb; do
		dpkg-deb -x "$package" "$1/made/root" || fail "$package cannot be unpacked"
	done
	cat >"$1/made/cross.ini" <<-END
		[constants]
		root = '$dir/root'
		[binaries]
		c = '$cross-gcc'
		ar = '$cross-gcc-ar'
		strip = '$cross-strip'
		pkgconfig = 'pkg-config'
		[properties]
		sys_root = root
		pkg_config_libdir = root / 'usr/lib/$cross/pkgconfig'
		[built-in options]
		c_args = ['-isystem', root / 'usr/include', '-isystem', root / 'usr/include/$cross']
		[project options]
		static_curl = '$dir'
		[host_machine]
		system = 'linux'
		cpu_family = '$arch'
		cpu = '$arch'
		endian = 'little'
	END
}

build() {
	libcares=$(${CC:-cc} -print-file-name=libcares.a)
	if [ -n "$cross" ]; then
		root=$1/made/root
		libcares=$root/usr/lib/$cross/libcares.a
		export CC="$cross-gcc" PKG_CONFIG_SYSROOT_DIR="$root" \
			PKG_CONFIG_LIBDIR="$root/usr/lib/$cross/pkgconfig" \
			CPPFLAGS="-isystem $root/usr/include -isystem $root/usr/include/$cross" \
			LDFLAGS="-L$root/usr/lib/$cross"
	fi
	cd "$1"/curl-*/ || fail "curl's source is not where apt-get puts it"
	# shellcheck disable=SC2086 # a list of words
	./configure -q --prefix="$1/made" ${cross:+--host="$cross"} $CONFIGURE CFLAGS="$CFLAGS" ||
		fail "curl cannot be configured"
	make -s -j "$(nproc)" -C lib install V=0 || fail "curl cannot be built"
	make -s -C include install || fail "curl's headers cannot be copied"
	cp "$libcares" "$1/made/lib/" || fail "there is no libcares.a"
	rm -rf "$1/made/lib/pkgconfig" "$1/made/lib/libcurl.la"
}

# shellcheck disable=SC2086 # a list of words
if [ -e "$dir/stamp" ] && missing=$(missing_packages $STATIC_PACKAGES ${cross:+$CROSS_PACKAGES}) && [ -z "$missing" ] &&
	stamp_text | cmp -s - "$dir/stamp"; then
	exit 0
fi
# it is removed in the end, with all that is in it
if [ ! -e "$dir/stamp" ] && [ -n "$(ls -A "$dir" 2>/dev/null)" ]; then
	fail "$1 is there, and is not what this script made: name another folder, or remove it"
fi
# shellcheck disable=SC2086 # a list of words
install_packages $purposes || fail "the packages that it needs cannot be installed"
place=$(mktemp -d "${dir%/*}/static-curl.XXXXXX")
mkdir "$place/made"
trap 'rm -rf "$place"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

echo "static-curl: building libcurl $(version libcurl4-openssl-dev) for the static worker, $arch"
(fetch "$place" && { [ -z "$cross" ] || fetch_libraries "$place"; } && build "$place") >"$place/log" 2>&1 </dev/null || {
	tail -n 30 "$place/log" >&2
	exit 1
}
stamp_text >"$place/made/stamp"
rm -rf "$dir" # of other versions
mv -T "$place/made" "$dir"

#!/bin/sh
# The one place that names Debian packages: what muster needs to be built, and what its tests need.
# Read it in (. tools/packages.sh) for install_packages, or run it:
#   tools/packages.sh [build] [static] [cross] [sshd] [s3] [test] [services]     install what is missing

BUILD_PACKAGES="gcc libc6-dev meson ninja-build pkg-config libssh2-1-dev libyaml-dev libjansson-dev
	libssl-dev zlib1g-dev libcurl4-openssl-dev libexpat1-dev liburing-dev scdoc openssh-client"
STATIC_PACKAGES="gcc libc6-dev make dpkg-dev libc-ares-dev libssl-dev libcurl4-openssl-dev" # tools/static-curl.sh
CROSS_PACKAGES="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" # and its --arch
SSHD_PACKAGES="openssh-server python3"
TEST_PACKAGES="jq openssl zsh fish csh clang libclang-rt-14-dev clang-format shellcheck git python3 openssh-server iproute2
	util-linux e2fsprogs xfsprogs btrfs-progs strace binutils busybox python3-asyncssh python3-botocore iperf3"
# Stores for tests/services, and boto3, which checks what they hold. Azurite comes from npm, which is
# installed where there is none.
S3_PACKAGES="radosgw ceph-mon ceph-osd ceph-common python3 python3-boto3"
SERVICES_PACKAGES="$S3_PACKAGES nginx-light openssl"
NPM_PACKAGES="nodejs npm"

# as_root COMMAND...: as it is for root, with sudo for others. Asks for no password where nobody can answer.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif ! command -v sudo >/dev/null; then
		echo "$*: needs root or sudo" >&2
		return 1
	elif [ -t 0 ]; then
		sudo "$@"
	else
		sudo -n "$@"
	fi
}

# missing_packages NAME...: those that are not installed
missing_packages() {
	for package in "$@"; do
		case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
		installed) ;;
		*) echo "$package" ;;
		esac
	done
}

# Installing a server must not start it: tests and quickstart start their own, on loopback.
# shellcheck disable=SC2016 # for the shell that runs it
INSTALL='
	set -eu
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		trap "rm -f $policy" EXIT
		printf "#!/bin/sh\nexit 101\n" >$policy
		chmod 755 $policy
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q
	apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends "$@"
'

# install_packages [build] [static] [cross] [sshd] [s3] [test] [services]: nothing is fetched when nothing is missing
# shellcheck disable=SC2086 # lists of words
install_packages() {
	wanted=
	for purpose in "$@"; do
		case $purpose in
		build) wanted="$wanted $BUILD_PACKAGES" ;;
		static) wanted="$wanted $STATIC_PACKAGES" ;;
		cross) wanted="$wanted $CROSS_PACKAGES" ;;
		sshd) wanted="$wanted $SSHD_PACKAGES" ;;
		test) wanted="$wanted $TEST_PACKAGES" ;;
		s3) wanted="$wanted $S3_PACKAGES" ;;
		services)
			wanted="$wanted $SERVICES_PACKAGES"
			command -v npm >/dev/null || wanted="$wanted $NPM_PACKAGES"
			;;
		*) return 2 ;;
		esac
	done
	if ! command -v apt-get >/dev/null; then
		echo "no apt-get here, so these are taken as installed, by whatever name:" $wanted >&2
		return 0
	fi
	missing=$(missing_packages $wanted)
	[ -n "$missing" ] || return 0
	echo "installing:" $missing
	as_root sh -c "$INSTALL" install $missing </dev/null
	case " $missing " in
	*[[:space:]]openssh-server[[:space:]]*)
		echo "openssh-server is new here. Its own server was not started, but it will be at the next"
		echo "boot, unless you say: systemctl disable ssh"
		;;
	esac
}

case ${0##*/}:${1-} in
packages.sh:build | packages.sh:static | packages.sh:cross | packages.sh:sshd | packages.sh:s3 | packages.sh:test | packages.sh:services)
	install_packages "$@"
	;;
packages.sh:*)
	echo "usage: tools/packages.sh [build] [static] [cross] [sshd] [s3] [test] [services]" >&2
	exit 2
	;;
esac

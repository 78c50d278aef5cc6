#!/bin/sh
# From a fresh clone to numbers: builds muster, starts a throwaway sshd on loopback that answers for four
# hosts, checks them, runs a storage workload of ten seconds on them, and measures the network between them.
#   tools/quickstart.sh --s3    runs the S3 example of the README instead, on a Ceph gateway of its own
# As root or with sudo it installs what is missing on Debian 12 first. The results and build/ stay here;
# nothing else does, and nothing is left running.
set -eu
cd "$(dirname "$0")/.."
. tools/packages.sh

purposes="build sshd"
case $# in
0) s3= ;;
*)
	if [ "$*" != --s3 ]; then
		echo "usage: tools/quickstart.sh [--s3]" >&2
		exit 2
	fi
	s3=yes
	purposes="build s3"
	;;
esac

HOSTS="1 2 3 4" # at 127.77.0.N: all of 127.0.0.0/8 is this machine
DIR=build/release

say() {
	printf '\n== %s\n' "$*"
}

# quietly WHAT COMMAND...: its output is shown only when it fails
quietly() {
	what=$1
	shift
	if ! "$@" >"$place/log" 2>&1 </dev/null; then
		cat "$place/log" >&2
		echo "tools/quickstart.sh: $what failed" >&2
		exit 1
	fi
}

place=$(mktemp -d)
server_pid= # sshd, or the gateway's keeper
clean_up() {
	trap - EXIT
	if [ -n "$server_pid" ]; then
		kill "$server_pid" 2>/dev/null || true
		wait "$server_pid" 2>/dev/null || true
	fi
	rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The static worker's libcurl; without it the worker is dynamic, which is enough for hosts like this one.
make_static_curl() {
	static_curl=build/static-curl
	tools/static-curl.sh "$static_curl" && return
	[ "${CI-}" != true ] || exit 1
	echo "tools/quickstart.sh: going on with a worker that needs this machine's libraries" >&2
	static_curl=
}

build() {
	again=
	[ ! -e "$DIR/build.ninja" ] || again=--reconfigure
	quietly "configuring" meson setup $again "$DIR" -Dbuildtype=release "-Dstatic_curl=$static_curl"
	quietly "building" meson compile -C "$DIR"
}

# its own keys, its own HOME: neither your ~/.ssh nor your ~/.cache is touched
write_sshd_config() {
	mkdir -p "$place/home"
	ssh-keygen -q -t ed25519 -N '' -C quickstart -f "$place/host_key"
	ssh-keygen -q -t ed25519 -N '' -C quickstart -f "$place/user_key"
	for n in $HOSTS; do
		echo "ListenAddress 127.77.0.$n"
		echo "[127.77.0.$n]:$port $(cut -d' ' -f1,2 "$place/host_key.pub")" >>"$place/known_hosts"
	done >"$place/sshd_config"
	cat >>"$place/sshd_config" <<-END
		Port $port
		HostKey $place/host_key
		PidFile $place/sshd.pid
		AuthorizedKeysFile $place/user_key.pub
		StrictModes no
		UsePAM no
		UseDNS no
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		PermitRootLogin prohibit-password
		SetEnv HOME=$place/home
	END
}

start_sshd() {
	sshd=$(PATH="$PATH:/usr/sbin:/sbin" command -v sshd)
	[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
	"$sshd" -D -e -f "$place/sshd_config" </dev/null 2>"$place/sshd.log" &
	server_pid=$!
	tries=0
	until [ -s "$place/sshd.pid" ]; do # written once it listens
		tries=$((tries + 1))
		if [ $tries -gt 100 ] || ! kill -0 "$server_pid" 2>/dev/null; then
			cat "$place/sshd.log" >&2
			echo "tools/quickstart.sh: sshd does not start" >&2
			exit 1
		fi
		sleep 0.1
	done
}

write_inventory() {
	cat <<-END
		defaults:
		  ssh_user: $(id -un)
		  ssh_port: $port
		  ssh_key: $place/user_key
		  known_hosts: $place/known_hosts
		hosts:
	END
	for n in $HOSTS; do
		echo "  - {name: node$n, address: 127.77.0.$n}"
	done
}

# Ceph's own gateway with a bucket, on ports of loopback; prints what is to be exported
start_s3() {
	python3 tests/services/serve.py radosgw --env "$place/s3.env" </dev/null >"$place/log" 2>&1 &
	server_pid=$!
	tries=0
	until [ -s "$place/s3.env" ]; do # written once it answers
		tries=$((tries + 1))
		if [ $tries -gt 1200 ] || ! kill -0 "$server_pid" 2>/dev/null; then
			cat "$place/log" >&2
			echo "tools/quickstart.sh: the S3 gateway does not start" >&2
			exit 1
		fi
		sleep 0.1
	done
}

show_hosts() {
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.77.0.1", 0)); print(s.getsockname()[1])')
	write_sshd_config
	start_sshd
	write_inventory >"$place/hosts.yaml"

	say "muster check --hosts hosts.yaml"
	muster check --hosts "$place/hosts.yaml"

	say "muster run workloads/local-files.yaml --hosts hosts.yaml"
	muster run workloads/local-files.yaml --hosts "$place/hosts.yaml" --target "file://$place/data/"

	say "muster matrix node1,node2 node3,node4 --hosts hosts.yaml -- -d send -l 2"
	muster matrix node1,node2 node3,node4 --hosts "$place/hosts.yaml" -- -d send -l 2
}

show_s3() {
	# what is set here for another store would go along
	unset AWS_SESSION_TOKEN AWS_PROFILE AWS_CA_BUNDLE
	start_s3
	say "AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are of a gateway on this machine"
	# shellcheck disable=SC1091 # serve.py wrote it
	. "$place/s3.env"

	say "muster run preset:small-objects --target s3://bench/demo/ --duration 5s"
	muster run preset:small-objects --target s3://bench/demo/ --duration 5s
}

say "packages and build"
# shellcheck disable=SC2086 # a list of words
install_packages $purposes
make_static_curl
build
echo "muster is $DIR/src/orchestrator/muster"
PATH="$PWD/$DIR/src/orchestrator:$PATH"
if [ -n "$s3" ]; then
	show_s3
else
	show_hosts
fi

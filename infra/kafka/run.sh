#!/usr/bin/env bash
# One Apache Kafka broker for a development machine: KRaft, combined controller and broker, on loopback only.
# Needs Java 17 or later and Maven, which resolves the newest Kafka of the 4.1 line once into a cache directory.
#
#   infra/kafka/run.sh [--port 9092] [--dir DIR] [--background]
#   infra/kafka/run.sh --stop [--dir DIR]
#   infra/kafka/run.sh --fetch
#
# Environment: KAFKA_PORT, KAFKA_DIR, KAFKA_HEAP (512m), KAFKA_VERSION (a Maven range), KAFKA_CACHE, JAVA_HOME,
# KAFKA_JAVA_OPTIONS (more words for Java), KAFKA_READY_SECONDS (60).
# Topics are never created by themselves: the program declares them. Data stays in DIR; delete DIR to start over.
set -euo pipefail

port=${KAFKA_PORT:-9092}
dir=${KAFKA_DIR:-/var/tmp/handsel-kafka}
heap=${KAFKA_HEAP:-512m}
version=${KAFKA_VERSION:-[4.1.0,4.2.0-alpha)}
cache=${KAFKA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/handsel/kafka}
background=false
stop=false
fetch=false
ready_seconds_max=${KAFKA_READY_SECONDS:-60}

say() { printf '%s\n' "$*" >&2; }
die() { say "kafka: $*"; exit 1; }
usage() { sed -n '2,11s/^# \{0,1\}//p' "$0"; }

while [ $# -gt 0 ]; do
    case $1 in
        --port | --dir) [ $# -ge 2 ] || die "$1 needs a value; try --help" ;;&
        --port) port=$2; shift 2 ;;
        --dir) dir=$2; shift 2 ;;
        --background) background=true; shift ;;
        --stop) stop=true; shift ;;
        --fetch) fetch=true; shift ;;
        --help | -h) usage; exit 0 ;;
        *) die "unknown argument $1; try --help" ;;
    esac
done
$fetch || mkdir -p "$dir"
$fetch || dir=$(cd "$dir" && pwd)
pid_file=$dir/kafka.pid

# The pid alone may have gone to another program since: ours is a Java that runs from this directory.
running() {
    [ -f "$pid_file" ] && tr '\0' ' ' 2>/dev/null <"/proc/$(cat "$pid_file")/cmdline" | grep -qF "$dir/server.properties"
}
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }

if $stop; then
    running || { say "kafka: none is running in $dir"; exit 0; }
    kill "$(cat "$pid_file")"
    while running; do sleep 0.2; done
    rm -f "$pid_file"
    exit 0
fi

java=${JAVA_HOME:+$JAVA_HOME/bin/}java
command -v "$java" >/dev/null || die "no java found: install Java 17 or later, or set JAVA_HOME"
major=$("$java" -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p')
[ "${major:-0}" -ge 17 ] || die "Java 17 or later is needed, $java is version ${major:-unknown}"
$fetch || ! running || die "already running in $dir as process $(cat "$pid_file"); stop it with --stop"
$fetch || ! answers || die "port $port is in use; choose another with --port"

# Resolving is done once for each wanted version; afterwards no network is needed.
libs=$cache/libs-$(printf '%s' "$version" | cksum | cut -d' ' -f1)
if [ ! -f "$libs/.complete" ]; then
    command -v mvn >/dev/null || die "no mvn found: install Maven, it fetches Kafka once"
    say "kafka: fetching Apache Kafka $version with Maven into $libs"
    mkdir -p "$libs"
    cat >"$cache/pom.xml" <<POM
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>handsel</groupId><artifactId>kafka</artifactId><version>0</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
    mvn -q -B -f "$cache/pom.xml" dependency:copy-dependencies -DoutputDirectory="$libs" >&2 ||
        die "Maven could not fetch Kafka: is there a network, or a mirror in the Maven settings?"
    touch "$libs/.complete"
fi
classes=$libs/classes-$major.jsa
# Most of a start is loading classes. One broker that is started and ended leaves them ready for all that follow; without
# them everything works too.
if [ ! -e "$classes" ] && [ -z "${KAFKA_KEEPS_CLASSES:-}" ]; then
    warm=$(mktemp -d)
    if KAFKA_KEEPS_CLASSES=$classes.$$ "$0" --background --port $((20000 + RANDOM % 10000)) --dir "$warm" 2>/dev/null; then
        "$0" --stop --dir "$warm"
    fi
    if [ -s "$classes.$$" ]; then mv "$classes.$$" "$classes"; else : >"$classes"; fi
    rm -rf "$warm"
fi
! $fetch || exit 0

# The session: a broker that was killed is taken for alive until it ends, and until then none of its name may begin, so
# that the nine seconds that are usual would make each restart after a crash wait as long. The buffer: a cleaner that
# has next to nothing to clean would take 128 MB at each start.
cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
listeners=BROKER://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=BROKER://127.0.0.1:$port
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:$((port + 1))
log.dirs=$dir/data
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=8388608
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=600
PROPERTIES

run=("$java" "-Xms$heap" "-Xmx$heap" -XX:+UseG1GC -Djava.awt.headless=true -Djava.net.preferIPv4Stack=true
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn)
if [ -n "${KAFKA_KEEPS_CLASSES:-}" ]; then
    run+=("-XX:ArchiveClassesAtExit=$KAFKA_KEEPS_CLASSES" -Xlog:cds=off -Xlog:cds+dynamic=off)
elif [ -s "$classes" ]; then
    # Java ignores it where it does not fit.
    run+=("-XX:SharedArchiveFile=$classes" -Xlog:cds=off -Xlog:cds+dynamic=off)
fi
# shellcheck disable=SC2206 # Several options in one variable are meant to be several words.
run+=(${KAFKA_JAVA_OPTIONS:-} -cp "$libs/*")

if [ ! -f "$dir/data/meta.properties" ]; then
    # 16 random bytes; Kafka wants none that looks like an option.
    id=A$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 2-21)A
    "${run[@]}" kafka.tools.StorageTool format --cluster-id "$id" --config "$dir/server.properties" >&2
fi

if ! $background; then
    say "kafka: 127.0.0.1:$port, data in $dir"
    echo $$ >"$pid_file"
    exec "${run[@]}" kafka.Kafka "$dir/server.properties"
fi

setsid nohup "${run[@]}" kafka.Kafka "$dir/server.properties" >"$dir/kafka.log" 2>&1 </dev/null &
broker=$!
echo "$broker" >"$pid_file"
for _ in $(seq $((ready_seconds_max * 10))); do
    if answers; then
        say "kafka: 127.0.0.1:$port is up as process $(cat "$pid_file"); log in $dir/kafka.log"
        exit 0
    fi
    # Not `running`: before it is Java it is this script for a moment.
    kill -0 "$broker" 2>/dev/null || die "the broker ended: $(tail -5 "$dir/kafka.log")"
    sleep 0.1
done
die "no answer on port $port within ${ready_seconds_max} s; see $dir/kafka.log"

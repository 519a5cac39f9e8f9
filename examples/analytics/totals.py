"""Reads the orders topic as an outsider and prints what was sold.

Shares no code with Handsel: it knows the topic, the CloudEvents headers and one rule. A record may come twice, and a
log may be reset, so the reader keeps `history` and, per partition, the highest `position` in the same transaction as
its own rows, and takes a record only if

    previous <= highest < position

A lower position is a repeat. A higher `previous` is a hole: the partition is read from its beginning once. Another
history means that the store lost its newest events and started anew: so does the reader.
"""

import argparse
import json
import sqlite3
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

TOPIC = "handsel.orders.events.v1"
BATCH_MAX = 1000
SCHEMA = """
create table if not exists sold ("order" text primary key, customer text, units integer, minor integer, currency text);
create table if not exists taken ("partition" integer primary key, position integer, next_offset integer);
create table if not exists histories (history text primary key, current integer);
"""


class Reader:
    """Holds the rows and how far each partition has been taken."""

    def __init__(self, path):
        self.db = sqlite3.connect(path)
        self.db.executescript(SCHEMA)
        self.history = self._one("select history from histories where current = 1")
        self.left = {row[0] for row in self.db.execute("select history from histories where current = 0")}
        self.read_again = set()
        self.repeats = 0

    def _one(self, sql, *values):
        row = self.db.execute(sql, values).fetchone()
        return row[0] if row else None

    def start(self, partition):
        """Where to read on: only a hint, the positions decide."""
        return self._one('select next_offset from taken where "partition" = ?', partition)

    def highest(self, partition):
        return self._one('select position from taken where "partition" = ?', partition) or 0

    def take(self, message):
        """Takes one record. False if its partition must be read from the beginning, None if all of them must."""
        headers = {key: value.decode() for key, value in message.headers() or []}
        partition, position, previous = message.partition(), int(headers["position"]), int(headers["previous"])
        if headers["history"] in self.left:
            return True
        if headers["history"] != self.history and self._begin(headers["history"]):
            return None
        highest = self.highest(partition)
        if position <= highest:
            self.repeats += 1
            return True
        if previous > highest:
            if partition in self.read_again:
                raise SystemExit(f"the log of partition {partition} lacks what stands before position {position}")
            self.read_again.add(partition)
            return False
        self.apply(headers["ce_type"], json.loads(message.value()))
        self.db.execute(
            'insert into taken values (?, ?, ?) on conflict ("partition") do update'
            " set position = excluded.position, next_offset = excluded.next_offset",
            (partition, position, message.offset() + 1),
        )
        return True

    def apply(self, kind, data):
        """One row per order. The first version of the event counted cents and meant dollars."""
        if kind == "com.handsel.orders.order-imported.v1":
            minor, currency = data["total_cents"], "USD"
        elif kind == "com.handsel.orders.order-imported.v2":
            minor, currency = data["total"]["amount_minor"], data["total"]["currency"]
        else:
            return  # Something that says nothing about sales.
        row = (data["order"], data["customer"], data["units"], minor, currency)
        self.db.execute("insert into sold values (?, ?, ?, ?, ?)", row)

    def _begin(self, history):
        """Begins with this history. True if there was another one, whose rows do not count any more."""
        before, self.history = self.history, history
        self.db.execute("update histories set current = 0")
        self.db.execute("insert or replace into histories values (?, 1)", (history,))
        if before is None:
            return False
        self.left.add(before)
        self.read_again.clear()
        self.db.execute("delete from sold")
        self.db.execute("delete from taken")
        return True

    def totals(self):
        orders, customers, units, minor = self.db.execute(
            "select count(*), count(distinct customer), coalesce(sum(units), 0), coalesce(sum(minor), 0) from sold"
        ).fetchone()
        currencies = [row[0] for row in self.db.execute("select distinct currency from sold order by 1")]
        currency = currencies[0] if len(currencies) == 1 else (currencies or None)
        return {
            "orders": orders,
            "customers": customers,
            "units": units,
            "revenue_minor": minor,
            "currency": currency,
        }


def read(consumer, reader, partitions, deadline):
    """Reads every partition to its end; fails if that takes longer than the deadline."""
    at_end = set()
    while at_end != set(partitions):
        if time.monotonic() > deadline:
            raise SystemExit(f"still reading after the deadline; at the end of {sorted(at_end)} of {partitions}")
        again = set()
        for message in consumer.consume(BATCH_MAX, timeout=1):
            partition = message.partition()
            if message.error():
                if message.error().code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(message.error())
                at_end.add(partition)
            elif partition not in again:
                taken = reader.take(message)
                if not taken:
                    again |= {partition} if taken is False else set(partitions)
        reader.db.commit()
        if again:
            at_end -= again
            consumer.incremental_unassign([TopicPartition(TOPIC, p) for p in again])
            consumer.incremental_assign([TopicPartition(TOPIC, p, OFFSET_BEGINNING) for p in again])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brokers", default="127.0.0.1:8492", help="the Kafka to read from (default: %(default)s)")
    parser.add_argument("--database", default=":memory:", help="an SQLite file to go on from (default: in memory)")
    parser.add_argument("--timeout", type=float, default=120, help="seconds until it gives up (default: %(default)s)")
    options = parser.parse_args()
    consumer = Consumer(
        {
            "bootstrap.servers": options.brokers,
            "group.id": "handsel-example-analytics",  # Demanded by the client; nothing is committed.
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    topic = consumer.list_topics(TOPIC, timeout=30).topics[TOPIC]
    if topic.error:
        raise KafkaException(topic.error)
    partitions = sorted(topic.partitions)
    reader = Reader(options.database)
    starts = [TopicPartition(TOPIC, p, reader.start(p) or OFFSET_BEGINNING) for p in partitions]
    consumer.incremental_assign(starts)
    read(consumer, reader, partitions, time.monotonic() + options.timeout)
    consumer.close()
    print(json.dumps(reader.totals()))
    print(f"repeats dropped: {reader.repeats}", file=sys.stderr)


if __name__ == "__main__":
    main()

"""Puts a shop's purchases through the release binary and checks every total against the file.

Counts by itself what the file says; shares no code with the program.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import time

from postgres import Postgres
from up import Up

SETTLE_S_MAX = 120
KILL_AFTER_S_MAX = 30
CLIENT_S_MAX = 60


def expected(path):
    """Totals, orders, units and revenue by day, and the purchases of customer 00002."""
    lines = [line.split() for line in pathlib.Path(path).read_text().splitlines()[1:]]
    lines = [fields for fields in lines if len(fields) == 4]
    cents = [int(dollars.replace(".", "")) for _, _, _, dollars in lines]
    days = collections.defaultdict(lambda: [0, 0, 0])
    for (_, day, units, _), amount in zip(lines, cents):
        sums = days[f"{day[:4]}-{day[4:6]}-{day[6:]}"]
        for place, more in enumerate((1, int(units), amount)):
            sums[place] += more
    totals = {
        "orders": len(lines),
        "customers": len({fields[0] for fields in lines}),
        "units": sum(int(fields[2]) for fields in lines),
        "revenue_minor": sum(cents),
        "currency": "USD",
    }
    second = sorted((day, int(units), amount) for (customer, day, units, _), amount in zip(lines, cents) if customer == "00002")
    return totals, dict(days), second


def until_equal(up, totals):
    begun = time.monotonic()
    while True:
        found = up.get("/v1/sales/summary")
        if all(found[name] == value for name, value in totals.items()):
            print(f"totals as in the file: {json.dumps(found)}")
            return
        if time.monotonic() - begun > SETTLE_S_MAX:
            raise SystemExit(f"the totals are {found}, the file says {totals}")
        time.sleep(0.2)


def check_views(up, days, second):
    rows = up.pages("/v1/sales/by-day")
    by_day = {row["ordered_on"]: [row["orders"], row["units"], row["revenue_minor"]] for row in rows}
    if by_day != days:
        wrong = {day for day in days.keys() | by_day.keys() if days.get(day) != by_day.get(day)}
        raise SystemExit(f"sales by day differ on {sorted(wrong)[:5]} and {len(wrong)} days in all")
    account = up.pages("/v1/accounts?filter[reference]=00002")[0]["account"]
    orders = up.pages(f"/v1/customers/{account}/orders")
    found = sorted((row["ordered_on"].replace("-", ""), row["units"], row["total"]["amount_minor"]) for row in orders)
    if found != second:
        raise SystemExit(f"customer 00002 bought {second}, the view says {found}")
    print(f"{len(days)} days and the {len(second)} orders of customer 00002 as in the file")


def interrupted_import(up, file, orders):
    """Kills the program in the middle of an import, and starts it again: what it answered must be there."""
    client = subprocess.Popen(
        [up.binary, "import", "cdnow", file, "--give-up-after", "1"],
        env=up.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )
    begun = time.monotonic()
    while time.monotonic() - begun < KILL_AFTER_S_MAX and client.poll() is None:
        if up.get("/v1/sales/summary")["orders"] > orders // 4:
            break
        time.sleep(0.02)
    up.kill()
    try:
        _, said = client.communicate(timeout=CLIENT_S_MAX)
    except subprocess.TimeoutExpired:
        client.kill()
        raise SystemExit("the importer did not give up") from None
    counted = re.search(r"(\d+) of \d+ purchases were answered", said)
    if counted is None and client.returncode != 0:
        raise SystemExit(f"the importer did not say how many were answered:\n{said[-2000:]}")
    answered = int(counted.group(1)) if counted else orders
    up.start()
    stored = up.stored("orders")
    held = up.get("/v1/sales/summary")["orders"]
    print(f"killed in the middle: {answered} of {orders} were answered, {stored} are stored, the view holds {held}")
    if stored < answered:
        raise SystemExit(f"{answered - stored} purchases were answered and are lost")


def own_databases(arguments, totals, days, second):
    """The same with a database of its own for each context, the keys and the read models, on a given Postgres."""
    parts = {
        "DATABASE_URL": "identity",
        "HANDSEL_ORDERS_DATABASE_URL": "orders",
        "HANDSEL_KEYS_DATABASE_URL": "keys",
        "HANDSEL_VIEWS_DATABASE_URL": "views",
    }
    with Postgres(parts.values()) as postgres:
        settings = {variable: postgres.url(database) for variable, database in parts.items()}
        with Up(arguments.binary, settings=settings) as up:
            up.call("import", "cdnow", arguments.file)
            until_equal(up, totals)
            check_views(up, days, second)
            up.call("rebuild", "sales_by_day")
            up.call("verify", "--all")
    print("the same with databases of their own")


def check_topic(up, arguments, totals):
    """The outside reader finds the same totals in the topic."""
    output = subprocess.run(
        [arguments.python, "examples/analytics/totals.py", "--brokers", arguments.brokers],
        stdout=subprocess.PIPE,
        check=True,
        timeout=180,
    ).stdout
    found = json.loads(output)
    if found != totals:
        raise SystemExit(f"the topic says {found}, the file {totals}")
    print(f"the outside reader says the same: {json.dumps(found)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--file", required=True)
    parser.add_argument("--brokers", help="an Apache Kafka; without it the embedded broker is used")
    parser.add_argument("--python", default="python3", help="with confluent-kafka, to read the topic")
    parser.add_argument("--kill", action="store_true", help="kill the program in the middle of the first import")
    parser.add_argument("--own-databases", action="store_true", help="once more, with a database for each part")
    arguments = parser.parse_args()
    totals, days, second = expected(arguments.file)
    print(f"{arguments.file}: {json.dumps(totals)}")
    with Up(arguments.binary, arguments.brokers) as up:
        if arguments.kill:
            interrupted_import(up, arguments.file, totals["orders"])
        up.call("import", "cdnow", arguments.file)
        until_equal(up, totals)
        check_views(up, days, second)
        up.call("import", "cdnow", arguments.file)
        until_equal(up, totals)
        up.call("rebuild", "sales_summary")
        until_equal(up, totals)
        up.call("verify", "--all")
        if arguments.brokers:
            check_topic(up, arguments, totals)
    if arguments.own_databases:
        own_databases(arguments, totals, days, second)


if __name__ == "__main__":
    main()

"""The outside reader's rule, without a broker: `python -m unittest` in this folder."""

import json
import unittest

from totals import Reader

KIND = "com.handsel.orders.order-imported.v2"


class Message:
    """What a consumer gives, as far as the reader looks at it."""

    def __init__(self, position, previous, partition=0, history="first", kind=KIND, data=None):
        self.place = (partition, position)
        pairs = {"position": position, "previous": previous, "history": history, "ce_type": kind}
        self.pairs = [(name, str(value).encode()) for name, value in pairs.items()]
        order = {"order": f"o-{partition}-{position}", "customer": "ana", "units": 2}
        self.data = json.dumps(order | (data or {"total": {"amount_minor": 1177, "currency": "USD"}}))

    def headers(self):
        return self.pairs

    def partition(self):
        return self.place[0]

    def offset(self):
        return self.place[1]

    def value(self):
        return self.data.encode()


class TheRule(unittest.TestCase):
    def setUp(self):
        self.reader = Reader(":memory:")

    def orders(self):
        return self.reader.totals()["orders"]

    def test_what_follows_is_taken(self):
        self.assertIs(self.reader.take(Message(3, 0)), True)
        self.assertIs(self.reader.take(Message(5, 3)), True)
        self.assertEqual(self.reader.totals()["revenue_minor"], 2 * 1177)

    def test_a_repeat_is_dropped(self):
        self.reader.take(Message(3, 0))
        self.reader.take(Message(3, 0))
        self.assertEqual((self.orders(), self.reader.repeats), (1, 1))

    def test_partitions_do_not_touch_each_other(self):
        self.reader.take(Message(3, 0))
        self.reader.take(Message(2, 0, partition=1))
        self.assertEqual(self.orders(), 2)

    def test_a_hole_sends_back_to_the_beginning_once(self):
        self.reader.take(Message(3, 0))
        self.assertIs(self.reader.take(Message(9, 5)), False)
        self.reader.take(Message(3, 0))
        self.reader.take(Message(5, 3))
        self.reader.take(Message(9, 5))
        self.assertEqual(self.orders(), 3)

    def test_a_hole_that_stays_is_told(self):
        self.reader.take(Message(9, 5))
        with self.assertRaises(SystemExit):
            self.reader.take(Message(9, 5))

    def test_another_history_starts_over(self):
        self.reader.take(Message(3, 0))
        self.assertIsNone(self.reader.take(Message(1, 0, history="second")))
        self.reader.take(Message(1, 0, history="second"))
        self.reader.take(Message(4, 3))  # What is left of the first history.
        self.assertEqual(self.orders(), 1)

    def test_the_first_version_counted_cents_of_dollars(self):
        old = Message(1, 0, kind="com.handsel.orders.order-imported.v1", data={"total_cents": 500})
        self.reader.take(old)
        totals = self.reader.totals()
        self.assertEqual((totals["revenue_minor"], totals["currency"]), (500, "USD"))

    def test_unknown_events_move_the_position_only(self):
        self.reader.take(Message(1, 0, kind="com.handsel.orders.order-praised.v1"))
        self.reader.take(Message(2, 1))
        self.assertEqual(self.orders(), 1)


if __name__ == "__main__":
    unittest.main()

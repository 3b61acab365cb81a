"""What the events of the workloads are made of."""

import random

LEVELS = {"debug": 15, "info": 70, "warn": 9, "error": 5, "critical": 1}
SERVICES = ("checkout", "gateway", "ledger", "search", "mailer", "auth", "stock", "batch", "billing", "media",
            "profile", "shipping", "reports", "sessions", "catalog", "notify")
CATEGORIES = ("payment", "order", "invoice", "inventory", "admin", "email", "security", "http")
PATHS = ("/api/v1/orders", "/api/v1/orders/{id}", "/api/v1/users/{id}", "/api/v1/pay", "/login", "/search",
         "/static/app.js", "/health")
STATUSES = (200, 200, 200, 201, 204, 301, 404, 500)
METHODS = ("GET", "GET", "GET", "POST", "PUT", "DELETE")

# Each "#" becomes a digit.
SENTENCES = (
    "connection from 10.##.###.## port ##### closed after ### ms",
    "connection from 10.##.###.## established, ## of 256 slots in use",
    "Session opened for user uid=### by (uid=0), tty pts/#",
    "session closed for user uid=###, idle for #### seconds",
    "authentication failure; logname= uid=# euid=0 tty=NODEVssh rhost=172.16.##.###",
    "Failed password for invalid user admin from 192.168.##.## port ##### ssh2",
    "Received block blk_-################### of size ######## from 10.250.##.###",
    "PacketResponder # for block blk_############ terminating, status OK",
    "request GET for order ###### took too long: #### ms, budget 250 ms",
    "request POST for order ###### answered with ### in ## ms (attempt #)",
    "Starting task ####.# in stage ##.# (TID #####, executor ##, partition ####)",
    "cache refresh: ##### entries, ### evicted, hit ratio 0.##",
    "GC pause (young) ###M->##M(1024M), 0.0##### secs",
    "workerEnv in error state #, errno ###, restarting child #####",
    "check pass; user unknown, attempt ## of ##",
    "DHCPREQUEST of 10.##.##.### from 00:0c:29:##:##:## via eth#",
    "replica ### of shard ## is behind by ##### operations; retrying in ## s",
    "wrote ####### bytes to part-##### in ### ms, checksum ##########",
    "user u##### exceeded the limit of ### requests a minute for key k######",
    "health check passed, load #.##, ### goroutines, heap ### MiB",
)

# What the questions look for.
WORDS = ("connection", "session", "failed", "closed", "received", "starting", "request", "user")
PHRASES = ("authentication failure", "session opened", "connection from", "workerEnv in error state",
           "failed password for", "check pass", "received block", "took too long")
REGEXES = tuple("blk_[0-9]+%02d" % ending for ending in (77, 3, 18, 42, 56, 69, 81, 94))
RARE = tuple("zephyrquartz" + name for name in ("", "alpha", "bravo", "delta", "echo", "golf", "hotel", "kilo"))

EXCEPTIONS = ("IllegalStateException", "TimeoutException", "NullPointerException", "ConnectException",
              "ConcurrentModificationException", "SQLTransientException", "AccessDeniedException",
              "OutOfRangeException")
CLASSES = ("Invoice", "OrderService", "PaymentGateway", "SessionStore", "RetryPolicy", "ConnectionPool",
           "EventLoop", "Dispatcher", "JsonCodec", "TenantFilter")
FUNCTIONS = ("close", "submit", "charge", "load", "apply", "acquire", "run", "dispatch", "decode", "doFilter")

NOUNS = ("order", "cart", "invoice", "payment", "refund", "shipment", "parcel", "stock", "price", "coupon",
         "account", "profile", "device", "browser", "region", "cluster", "pod", "queue", "topic", "job",
         "cache", "shard", "replica", "table", "index", "page", "file", "image", "mail", "template",
         "webhook", "token", "policy", "feature", "experiment", "campaign", "supplier", "contract", "ticket", "review")
ASPECTS = ("id", "count", "total", "size", "state", "kind", "name", "owner", "source", "target",
           "version", "revision", "age", "delay", "ratio", "limit", "quota", "score", "rank", "weight",
           "code", "reason", "step", "phase", "batch", "group", "parent", "origin", "locale", "currency",
           "amount", "balance", "discount", "margin", "retry", "attempt", "window", "offset", "length", "depth",
           "width", "height", "channel", "priority", "strategy", "hash", "label", "flag", "scope", "tier")
# 40 x 50 names.
ATTRIBUTES = tuple("%s_%s" % (noun, aspect) for noun in NOUNS for aspect in ASPECTS)
STATES = ("open", "closed", "pending", "failed", "retried", "cancelled", "shipped", "unknown")


def stack_trace(draw: random.Random) -> tuple[str, str]:
    """An exception's name, and its trace of 10 to 40 lines."""
    name = draw.choice(EXCEPTIONS)
    lines = ["Unhandled %s in worker %d: order %d" % (name, draw.randrange(64), draw.randrange(10**6))]
    for _ in range(draw.randint(9, 39)):
        where = draw.choice(CLASSES)
        place = (where, draw.choice(FUNCTIONS), where, draw.randint(20, 900))
        lines.append("\tat com.example.shop.%s.%s(%s.java:%d)" % place)
    return name, "\n".join(lines)


def long_line(draw: random.Random) -> str:
    """A statement of about 50 kB."""
    ids = ", ".join(str(draw.getrandbits(23)) for _ in range(5_600))
    return "slow statement, %d ms: SELECT id, total FROM orders WHERE id IN (%s)" % (draw.randrange(9_000), ids)


def attribute_value(draw: random.Random, name: str) -> object:
    """A value as its attribute has them: a state, a number or an id."""
    kind = sum(name.encode()) % 3
    if kind == 0:
        return draw.choice(STATES)
    return draw.randrange(10_000) if kind == 1 else "%08x" % draw.getrandbits(32)

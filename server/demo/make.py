#!/usr/bin/env python3
"""Writes the events of `logstrata serve --demo`: two hours of an online shop.

usage: make.py | zstd -19 -q > demo.ndjson.zst

Deterministic: the same events at every run. Each begins with `before_ms`, the milliseconds between
it and the last event; the program turns that into a timestamp when it loads them.
"""
import json
import random

SPAN_MS = 2 * 3600 * 1000
REQUESTS = 1000
# The payment gateway is slow and then times out; the database pool runs dry behind it.
INCIDENT = (70 * 60_000, 50 * 60_000)

rng = random.Random(20261121)
events = []

USERS = ["usr_%05d" % rng.randrange(20_000) for _ in range(140)]
IPS = ["203.0.113.%d" % n for n in range(1, 90)] + ["2001:db8::%x" % n for n in range(1, 20)]
AGENTS = ["Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0", "okhttp/4.12.0", "ShopApp/7.3.1 (iOS 19.1)"]
PRODUCTS = [("KB-%03d" % n, name) for n, name in enumerate(
    ["mechanical keyboard", "desk lamp", "café grinder", "rain jacket", "trail shoes", "Übergangsjacke",
     "noise-cancelling headphones", "4K monitor", "standing desk", "travel mug"])]
HOSTS = {"gateway": 2, "catalog": 2, "cart": 1, "checkout": 2, "payment": 2, "inventory": 1, "mailer": 1, "auth": 1}

STACK_TIMEOUT = """PaymentGatewayTimeout: no answer from psp-eu-1 within 5000 ms
    at GatewayClient.authorize (/srv/payment/src/gateway.ts:118:11)
    at async PaymentService.charge (/srv/payment/src/service.ts:64:20)
    at async handler (/srv/payment/src/routes/charge.ts:31:18)"""
STACK_POOL = """org.postgresql.util.PSQLException: connection pool exhausted
\tat com.shop.db.Pool.acquire(Pool.java:87)
\tat com.shop.checkout.OrderRepository.insert(OrderRepository.java:142)
\tat com.shop.checkout.CheckoutService.place(CheckoutService.java:77)
Caused by: java.util.concurrent.TimeoutException: waited 3000 ms for a connection
\tat com.shop.db.Pool.await(Pool.java:103)
\t... 14 more"""
STACK_TEMPLATE = """Traceback (most recent call last):
  File "/srv/mailer/worker.py", line 88, in run
    body = render(job.template, job.values)
  File "/srv/mailer/templates.py", line 41, in render
    return TEMPLATES[name].format(**values)
KeyError: 'delivery_date'"""


def hexa(digits):
    return "%0*x" % (digits, rng.getrandbits(4 * digits))


def emit(before, level, service, message, **fields):
    host = "%s-%d" % (service, 1 + rng.randrange(HOSTS.get(service, 1)))
    event = {"before_ms": max(0, int(before)), "level": level, "service": service, "host": host, "message": message}
    event.update({name: value for name, value in fields.items() if value is not None})
    events.append(event)


def latency(median):
    return round(rng.lognormvariate(0, 0.55) * median, 1)


def access(before, trace, method, path, status, took, user, ip):
    level = "error" if status >= 500 else "warn" if status >= 400 else "info"
    emit(before - took, level, "gateway", "%s %s %d in %s ms" % (method, path, status, took), category="http",
         trace_id=trace, span_id=hexa(16), user_id=user, ip=ip, method=method, path=path, status=status,
         duration_ms=took, user_agent=rng.choice(AGENTS))


def browse(before, trace, user, ip):
    took = latency(38)
    sku, name = rng.choice(PRODUCTS)
    hit = rng.random() < 0.8
    emit(before - 2, "debug", "catalog", "cache %s for product %s" % ("hit" if hit else "miss", sku), category="cache",
         trace_id=trace, span_id=hexa(16), product={"sku": sku, "name": name}, cache={"hit": hit, "age_s": rng.randrange(600)})
    if not hit:
        slow = latency(25)
        emit(before - 2 - slow, "warn" if slow > 60 else "info", "catalog", "query took %s ms: SELECT * FROM products WHERE sku = $1" % slow,
             category="database", trace_id=trace, duration_ms=slow, rows=1)
        took += slow
    access(before, trace, "GET", "/api/v1/products/" + sku, 200 if rng.random() < 0.985 else 404, round(took, 1), user, ip)


def search(before, trace, user, ip):
    words = rng.choice(["keyboard", "lamp", "waterproof jacket", "monitor 4k", "desk"])
    hits = rng.randrange(0, 60)
    emit(before - 4, "info", "catalog", 'search for "%s" found %d products' % (words, hits), category="search",
         trace_id=trace, span_id=hexa(16), user_id=user, hits=hits)
    access(before, trace, "GET", "/api/v1/search", 200, latency(70), user, ip)


def login(before, trace, user, ip):
    if rng.random() < 0.16:
        emit(before - 3, "warn", "auth", "authentication failure for %s: wrong password" % user, category="auth",
             action="login", trace_id=trace, user_id=user, ip=ip, attempt=rng.randrange(1, 6))
        access(before, trace, "POST", "/api/v1/login", 401, latency(90), user, ip)
    else:
        emit(before - 3, "info", "auth", "user %s logged in" % user, category="auth", action="login", trace_id=trace,
             user_id=user, ip=ip, session=hexa(24))
        access(before, trace, "POST", "/api/v1/login", 200, latency(120), user, ip)


def checkout(before, trace, user, ip):
    order = "ord_%06d" % rng.randrange(10**6)
    sku, name = rng.choice(PRODUCTS)
    amount = {"value": round(rng.uniform(9, 480), 2), "currency": rng.choice(["EUR", "EUR", "USD", "CHF"])}
    incident = INCIDENT[1] <= before <= INCIDENT[0]
    common = dict(trace_id=trace, correlation_id=order, user_id=user)
    span = hexa(16)
    emit(before - 1, "info", "cart", "cart of %s has %d items" % (user, rng.randrange(1, 6)), category="cart", span_id=hexa(16), **common)
    emit(before - 5, "info", "checkout", "order %s placed: %.2f %s" % (order, amount["value"], amount["currency"]), category="order",
         action="create", resource_type="order", resource_id=order, span_id=span, order={"id": order, "items": [sku], "amount": amount}, **common)
    emit(before - 9, "debug", "inventory", "reserved 1 of %s, %d left" % (sku, rng.randrange(0, 200)), category="stock",
         span_id=hexa(16), parent_span_id=span, **common)
    took, roll = latency(310), rng.random()
    paying = dict(category="payment", span_id=hexa(16), parent_span_id=span, amount=amount, psp="psp-eu-1", **common)
    if incident and roll < 0.55:
        took = round(5000 + rng.random() * 40, 1)
        emit(before - took, "error", "payment", "payment of order %s failed: no answer from psp-eu-1 within 5000 ms" % order, duration_ms=took,
             error={"type": "PaymentGatewayTimeout", "message": "no answer from psp-eu-1 within 5000 ms", "stack": STACK_TIMEOUT}, **paying)
        access(before, trace, "POST", "/api/v1/checkout", 504, round(took + 30, 1), user, ip)
        return
    if incident and roll < 0.75:
        took = round(3000 + rng.random() * 90, 1)
        emit(before - took, "error", "checkout", "cannot store order %s: connection pool exhausted" % order, category="database", span_id=span, duration_ms=took,
             error={"type": "PSQLException", "message": "connection pool exhausted", "stack": STACK_POOL}, **common)
        access(before, trace, "POST", "/api/v1/checkout", 503, round(took + 12, 1), user, ip)
        return
    if roll > 0.93:
        reason = rng.choice(["insufficient_funds", "card_expired", "do_not_honor", "fraud_suspected"])
        emit(before - took, "warn", "payment", "card declined for order %s: %s" % (order, reason), action="charge", decline_reason=reason, duration_ms=took, **paying)
        access(before, trace, "POST", "/api/v1/checkout", 402, round(took + 20, 1), user, ip)
        return
    if incident:
        took *= 6
    emit(before - took, "info", "payment", "charged %.2f %s for order %s" % (amount["value"], amount["currency"], order), action="charge",
         duration_ms=round(took, 1), card={"brand": rng.choice(["visa", "mastercard"]), "last4": "%04d" % rng.randrange(10_000)}, **paying)
    if took > 1000:
        emit(before - took - 1, "warn", "payment", "slow answer from psp-eu-1: %d ms" % took, duration_ms=round(took, 1), **paying)
    access(before, trace, "POST", "/api/v1/checkout", 201, round(took + 25, 1), user, ip)
    if rng.random() < 0.03:
        emit(before - took - 800, "error", "mailer", "cannot send the confirmation of order %s" % order, category="mail",
             error={"type": "KeyError", "message": "'delivery_date'", "stack": STACK_TEMPLATE}, **common)
    else:
        emit(before - took - 700, "info", "mailer", "confirmation of order %s sent" % order, category="mail", attempt=1, **common)


def housekeeping():
    for minute in range(0, 120, 5):
        before = minute * 60_000 + 1_500
        emit(before, "info", "inventory", "stock synchronised: %d products in %d ms" % (len(PRODUCTS) * 211, rng.randrange(300, 900)),
             category="job", action="sync", host_metrics={"cpu": round(rng.random(), 3), "rss_mb": rng.randrange(180, 420)})
        busy = INCIDENT[1] <= before <= INCIDENT[0]
        used = rng.randrange(46, 51) if busy else rng.randrange(4, 22)
        emit(before - 20, "warn" if used > 40 else "debug", "checkout", "database pool: %d of 50 connections in use" % used,
             category="database", pool={"used": used, "size": 50})
    emit(INCIDENT[0] - 60_000, "critical", "payment", "circuit breaker for psp-eu-1 opened: 20 failures in 60 s", category="payment", psp="psp-eu-1", breaker="open")
    emit(INCIDENT[1] - 1_000, "info", "payment", "circuit breaker for psp-eu-1 closed", category="payment", psp="psp-eu-1", breaker="closed")
    emit(45 * 60_000, "info", "gateway", "deployed version 2026.11.3 (was 2026.11.2)", category="deploy", version="2026.11.3")
    emit(0, "info", "gateway", "healthy: 8 of 8 upstreams answer", category="health")


housekeeping()
for _ in range(REQUESTS):
    at = rng.uniform(15_000, SPAN_MS)
    who = rng.choice(USERS) if rng.random() < 0.8 else None
    call = rng.choices([browse, search, login, checkout], [48, 14, 10, 28])[0]
    if call in (login, checkout) and who is None:
        who = rng.choice(USERS)
    call(at, hexa(32), who, rng.choice(IPS))
events.sort(key=lambda event: -event["before_ms"])
for event in events:
    print(json.dumps(event, separators=(",", ":"), ensure_ascii=False))

"""The fleet's part that runs inside Locust, under gevent; nothing else imports it."""

"""All errors that this package raises.

::

    HITLWebhookError
    ├── InvalidSecretError          (also ValueError)   a signing secret not valid in Standard Webhooks
    ├── InvalidEndpointError        (also ValueError)   an endpoint that nothing can be posted to
    ├── UnusableEnvironmentError                        invalid value of SSL_CERT_FILE, HTTPS_PROXY or similar
    ├── PrivateAddressError                             a host without a public address, if one is required
    └── WebhookVerificationError                        a request that is not from us, or is too old or new
        ├── MissingHeaderError      one of the three ``webhook-*`` headers is absent
        ├── TimestampError          too old, too new, or not a number
        ├── InvalidSignatureError   no signature matches any of the secrets
        └── MalformedEventError     signed by us, but the body is not a valid event
"""

from __future__ import annotations


class HITLWebhookError(Exception):
    """Base class of all errors of ``hitl_webhooks``."""


class InvalidSecretError(HITLWebhookError, ValueError):
    """A signing secret is not ``whsec_`` followed by base64 of 24 to 64 bytes."""


class InvalidEndpointError(HITLWebhookError, ValueError):
    """An endpoint's URL, headers, format or connection is invalid."""


class UnusableEnvironmentError(HITLWebhookError):
    """An environment variable names unusable certificates or proxies, so nothing can be posted."""


class PrivateAddressError(HITLWebhookError):
    """A host has no public address. No connection was made and nothing was sent."""


class WebhookVerificationError(HITLWebhookError):
    """A received request must not be trusted. Respond with 401 and do nothing."""


class MissingHeaderError(WebhookVerificationError):
    """``webhook-id``, ``webhook-timestamp`` or ``webhook-signature`` is missing."""


class TimestampError(WebhookVerificationError):
    """``webhook-timestamp`` is not an integer, or differs from now by more than the tolerance."""


class InvalidSignatureError(WebhookVerificationError):
    """No signature in ``webhook-signature`` matches the body with any given secret."""


class MalformedEventError(WebhookVerificationError):
    """The signature is valid, but the body is not a JSON object with type, timestamp and data."""

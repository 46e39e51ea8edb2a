"""Every error that this package raises.

::

    HITLWebhookError
    ├── InvalidSecretError          (also ValueError)   a signing secret that is not a Standard Webhooks one
    ├── InvalidEndpointError        (also ValueError)   an endpoint that nothing can be posted to
    ├── UnusableEnvironmentError                        what SSL_CERT_FILE or HTTPS_PROXY and the like name
    ├── PrivateAddressError                             a host without a public address, where that is demanded
    └── WebhookVerificationError                        a request that did not come from us, or not now
        ├── MissingHeaderError      one of the three ``webhook-*`` headers is absent
        ├── TimestampError          too old, too new, or no number
        ├── InvalidSignatureError   no signature fits any of the secrets
        └── MalformedEventError     signed by us, yet not an event: the body is not what the format says
"""

from __future__ import annotations


class HITLWebhookError(Exception):
    """Root of all errors of ``hitl_webhooks``."""


class InvalidSecretError(HITLWebhookError, ValueError):
    """A signing secret is not ``whsec_`` followed by base64 of 24 to 64 bytes."""


class InvalidEndpointError(HITLWebhookError, ValueError):
    """An endpoint's URL, headers, format or connection cannot be used."""


class UnusableEnvironmentError(HITLWebhookError):
    """What an environment variable names cannot be used, certificates or a proxy, so nothing can be posted."""


class PrivateAddressError(HITLWebhookError):
    """A host has no public address. Nothing was sent to it, nor was it connected to."""


class WebhookVerificationError(HITLWebhookError):
    """A received request must not be trusted. Answer it with 401 and do nothing."""


class MissingHeaderError(WebhookVerificationError):
    """``webhook-id``, ``webhook-timestamp`` or ``webhook-signature`` is missing."""


class TimestampError(WebhookVerificationError):
    """``webhook-timestamp`` is no integer, or is more than the tolerance away from now."""


class InvalidSignatureError(WebhookVerificationError):
    """No signature in ``webhook-signature`` fits the body under any given secret."""


class MalformedEventError(WebhookVerificationError):
    """The signature is right, but the body is not a JSON object with type, timestamp and data."""

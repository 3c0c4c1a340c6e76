"""A certificate that lives as long as the process, for an endpoint whose clients verify nothing (spec 3.8).

The libcrypto that Python's own ssl module runs on makes it in a millisecond, so neither a key nor a package for
certificates has to be in the image.
"""

from __future__ import annotations

import ctypes
import os
import ssl

LIFETIME_S = 10 * 365 * 24 * 3600
LONGEST_PEM_BYTES = 8192
_MBSTRING_ASC = 0x1001
_VERSION_3 = 2


def self_signed_context(common_name: str) -> ssl.SSLContext:
    """The server's side of TLS, with a P-256 key that is never on a disk. Raises OSError without OpenSSL 3."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    memory = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(memory, self_signed_pem(common_name))
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
    return context


def self_signed_pem(common_name: str) -> bytes:
    """Private key and certificate. What OpenSSL allocates here stays until the process ends."""
    crypto = ctypes.CDLL("libcrypto.so.3")

    def call(name: str, *arguments: object) -> ctypes.c_void_p:
        function = getattr(crypto, name)
        function.restype = ctypes.c_void_p
        result = function(*arguments)
        if not result:
            raise OSError(f"{name} of libcrypto failed")
        return ctypes.c_void_p(result)

    key = call("EVP_PKEY_Q_keygen", None, None, b"EC", b"P-256")
    certificate = call("X509_new")
    call("X509_set_version", certificate, ctypes.c_long(_VERSION_3))
    call("ASN1_INTEGER_set", call("X509_get_serialNumber", certificate), ctypes.c_long(1))
    call("X509_gmtime_adj", call("X509_getm_notBefore", certificate), ctypes.c_long(0))
    call("X509_gmtime_adj", call("X509_getm_notAfter", certificate), ctypes.c_long(LIFETIME_S))
    call("X509_set_pubkey", certificate, key)
    name = call("X509_get_subject_name", certificate)
    call("X509_NAME_add_entry_by_txt", name, b"CN", _MBSTRING_ASC, common_name.encode(), -1, -1, 0)
    call("X509_set_issuer_name", certificate, name)
    call("X509_sign", certificate, key, call("EVP_sha256"))
    memory = call("BIO_new", call("BIO_s_mem"))
    call("PEM_write_bio_PrivateKey", memory, key, None, None, 0, None, None)
    call("PEM_write_bio_X509", memory, certificate)
    pem = ctypes.create_string_buffer(LONGEST_PEM_BYTES)
    call("BIO_read", memory, pem, LONGEST_PEM_BYTES)
    return pem.value

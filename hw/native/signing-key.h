/* What the parts of the addon share: keys that sign through JavaScript (signing-key.c) and OpenSSL's view of them. */
#ifndef FLEETCERT_SIGNING_KEY_H
#define FLEETCERT_SIGNING_KEY_H

#include <openssl/core_dispatch.h>
#include <openssl/evp.h>
#include <stddef.h>

#define UNUSED(x) ((void)(x))
#define FN(function) ((void (*)(void))(function))
#define PEM_BEGIN "-----BEGIN FLEETCERT KEY HANDLE-----"
#define PEM_END "-----END FLEETCERT KEY HANDLE-----"
#define HANDLE_TEXT 25 /* base64 of 16 random bytes, and NUL */
#define MAX_SIGNATURE 1024
#define MAX_MESSAGE (1 << 24) /* what is copied to sign it with Ed25519 */

typedef struct signing_key signing_key;

/* What is to be signed, as the JavaScript function gets it. */
typedef struct {
  const char *scheme;  /* "ecdsa", "rsa-pkcs1", "rsa-pss" or "ed25519" */
  const char *md_name; /* OpenSSL's name, for example "SHA2-256"; empty for ed25519 */
  const unsigned char *digest; /* of the message; for ed25519 the message */
  size_t digest_length;
  int salt_length; /* bytes; 0 unless rsa-pss */
} sign_input;

enum signing_reason { REASON_SIGNER = 1, REASON_CLOSED, REASON_UNSUPPORTED };

/* Puts an error on OpenSSL's stack; returns 0 so that callers can return it. */
int signing_error(enum signing_reason reason, const char *format, ...);

/* Finds the registered key of a handle's text and holds it; NULL when there is none. */
signing_key *signing_key_find(const char *handle);
signing_key *signing_key_hold(signing_key *key);
void signing_key_release(signing_key *key);

/* The public half; owned by the key. */
EVP_PKEY *signing_key_public(const signing_key *key);
int signing_key_is_a(const signing_key *key, const char *type);

/* Signs through JavaScript, on any thread. Returns the length written to `out` (MAX_SIGNATURE bytes), or 0 with an error. */
size_t signing_key_sign(signing_key *key, const sign_input *input, unsigned char *out);

/* OSSL_OP_SIGNATURE: for EC and RSA keys, which sign digests, and for Ed25519 keys, which sign messages. */
extern const OSSL_DISPATCH signature_functions[], message_signature_functions[];

/* Loads `default` and then our provider into the process's library context, once; returns whether both are there. */
int openssl_provider_load(void);

#endif

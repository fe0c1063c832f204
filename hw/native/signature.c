/* Signatures for OpenSSL: the private operation by the owner of the key, verification by OpenSSL itself. */
#include "signing-key.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  signing_key *key;
  EVP_MD *md;
  EVP_MD_CTX *hash;
  int padding;
  int salt_length; /* bytes, or one of RSA_PSS_SALTLEN_ */
} signature_ctx;

static void *signature_new(void *provider, const char *properties) {
  UNUSED(provider), UNUSED(properties);
  return calloc(1, sizeof(signature_ctx));
}

static void signature_free(void *vctx) {
  signature_ctx *ctx = vctx;
  if (ctx == NULL) return;
  EVP_MD_CTX_free(ctx->hash);
  EVP_MD_free(ctx->md);
  signing_key_release(ctx->key);
  free(ctx);
}

static void *signature_dup(void *vctx) {
  signature_ctx *from = vctx, *to = calloc(1, sizeof *to);
  if (to == NULL) return NULL;
  to->padding = from->padding;
  to->salt_length = from->salt_length;
  if (from->key != NULL) to->key = signing_key_hold(from->key);
  if (from->md != NULL && EVP_MD_up_ref(from->md)) to->md = from->md;
  if (from->hash != NULL && ((to->hash = EVP_MD_CTX_new()) == NULL || !EVP_MD_CTX_copy_ex(to->hash, from->hash))) {
    signature_free(to);
    return NULL;
  }
  return to;
}

static int set_md(signature_ctx *ctx, const char *name) {
  EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);
  if (md == NULL) return 0;
  EVP_MD_free(ctx->md);
  ctx->md = md;
  return 1;
}

static int text_param(const OSSL_PARAM *param, char *text, size_t size) {
  return OSSL_PARAM_get_utf8_string(param, &text, size) || signing_error(REASON_UNSUPPORTED, "parameter %s", param->key);
}

static int set_padding(signature_ctx *ctx, const OSSL_PARAM *param) {
  char text[16];
  int padding = 0;
  if (param->data_type == OSSL_PARAM_UTF8_STRING) {
    if (!text_param(param, text, sizeof text)) return 0;
    if (strcmp(text, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0) padding = RSA_PKCS1_PSS_PADDING;
    if (strcmp(text, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0) padding = RSA_PKCS1_PADDING;
  } else if (!OSSL_PARAM_get_int(param, &padding)) {
    padding = 0;
  }
  if (padding != RSA_PKCS1_PADDING && padding != RSA_PKCS1_PSS_PADDING)
    return signing_error(REASON_UNSUPPORTED, "RSA padding other than PKCS#1 v1.5 and PSS");
  ctx->padding = padding;
  return 1;
}

static int set_salt_length(signature_ctx *ctx, const OSSL_PARAM *param) {
  char text[24];
  if (param->data_type != OSSL_PARAM_UTF8_STRING) return OSSL_PARAM_get_int(param, &ctx->salt_length);
  if (!text_param(param, text, sizeof text)) return 0;
  if (strcmp(text, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0) ctx->salt_length = RSA_PSS_SALTLEN_DIGEST;
  else if (strcmp(text, OSSL_PKEY_RSA_PSS_SALT_LEN_MAX) == 0) ctx->salt_length = RSA_PSS_SALTLEN_MAX;
  else if (strcmp(text, OSSL_PKEY_RSA_PSS_SALT_LEN_AUTO) == 0) ctx->salt_length = RSA_PSS_SALTLEN_AUTO;
  else if (strspn(text, "0123456789") == strlen(text)) ctx->salt_length = atoi(text);
  else return signing_error(REASON_UNSUPPORTED, "PSS salt length %s", text);
  return 1;
}

static int signature_set_params(void *vctx, const OSSL_PARAM params[]) {
  signature_ctx *ctx = vctx;
  const OSSL_PARAM *param;
  char name[32];
  if (params == NULL) return 1;
  param = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_DIGEST);
  if (param != NULL && (!text_param(param, name, sizeof name) || !set_md(ctx, name))) return 0;
  param = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
  if (param != NULL && !set_padding(ctx, param)) return 0;
  param = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
  if (param != NULL && !set_salt_length(ctx, param)) return 0;
  param = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_MGF1_DIGEST);
  if (param != NULL && (!text_param(param, name, sizeof name) || ctx->md == NULL || !EVP_MD_is_a(ctx->md, name)))
    return signing_error(REASON_UNSUPPORTED, "an MGF1 digest other than the message digest");
  return 1;
}

static const OSSL_PARAM *signature_settable(void *ctx, void *provider) {
  UNUSED(ctx), UNUSED(provider);
  static const OSSL_PARAM settable[] = {OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
                                        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
                                        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
                                        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
                                        OSSL_PARAM_END};
  return settable;
}

static int signature_init(void *vctx, void *vkey, const OSSL_PARAM params[]) {
  signature_ctx *ctx = vctx;
  if (vkey != NULL) {
    signing_key_release(ctx->key);
    ctx->key = signing_key_hold(vkey);
  }
  ctx->padding = RSA_PKCS1_PADDING;
  ctx->salt_length = RSA_PSS_SALTLEN_DIGEST;
  return ctx->key != NULL && signature_set_params(ctx, params);
}

static int digest_init(void *vctx, const char *md_name, void *vkey, const OSSL_PARAM params[]) {
  signature_ctx *ctx = vctx;
  if (!set_md(ctx, md_name == NULL || *md_name == 0 ? "SHA2-256" : md_name) || !signature_init(ctx, vkey, params)) return 0;
  EVP_MD_CTX_free(ctx->hash);
  ctx->hash = EVP_MD_CTX_new();
  return ctx->hash != NULL && EVP_DigestInit_ex2(ctx->hash, ctx->md, NULL);
}

static int digest_update(void *vctx, const unsigned char *data, size_t length) {
  signature_ctx *ctx = vctx;
  return ctx->hash != NULL && EVP_DigestUpdate(ctx->hash, data, length);
}

/* AUTO and MAX mean the longest that fits (RFC 8017 §9.1.1: emLen - hLen - 2). */
static int salt_bytes(const signature_ctx *ctx) {
  int hash = EVP_MD_get_size(ctx->md);
  if (ctx->salt_length == RSA_PSS_SALTLEN_DIGEST) return hash;
  if (ctx->salt_length >= 0) return ctx->salt_length;
  return (EVP_PKEY_get_bits(signing_key_public(ctx->key)) + 6) / 8 - hash - 2;
}

static int signature_sign(void *vctx, unsigned char *out, size_t *length, size_t size, const unsigned char *digest,
                          size_t digest_length) {
  signature_ctx *ctx = vctx;
  unsigned char signature[MAX_SIGNATURE];
  *length = (size_t)EVP_PKEY_get_size(signing_key_public(ctx->key));
  if (out == NULL) return 1;
  if (ctx->md == NULL || digest_length != (size_t)EVP_MD_get_size(ctx->md))
    return signing_error(REASON_UNSUPPORTED, "a digest whose length does not fit its algorithm");
  int is_rsa = signing_key_is_a(ctx->key, "RSA"), is_pss = is_rsa && ctx->padding == RSA_PKCS1_PSS_PADDING;
  const sign_input input = {
      .scheme = !is_rsa ? "ecdsa" : is_pss ? "rsa-pss" : "rsa-pkcs1",
      .md_name = EVP_MD_get0_name(ctx->md),
      .digest = digest,
      .digest_length = digest_length,
      .salt_length = is_pss ? salt_bytes(ctx) : 0,
  };
  size_t written = signing_key_sign(ctx->key, &input, signature);
  if (written == 0) return 0;
  if (written > size || written > *length)
    return signing_error(REASON_SIGNER, "the signature has %d bytes, at most %d fit", (int)written, (int)*length);
  memcpy(out, signature, written);
  *length = written;
  return 1;
}

static int digest_sign_final(void *vctx, unsigned char *out, size_t *length, size_t size) {
  signature_ctx *ctx = vctx;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int digest_length = 0;
  if (out == NULL) return signature_sign(ctx, NULL, length, 0, NULL, 0);
  if (ctx->hash == NULL || !EVP_DigestFinal_ex(ctx->hash, digest, &digest_length)) return 0;
  return signature_sign(ctx, out, length, size, digest, digest_length);
}

/* createPublicKey(privateKey) shares our key object, so that verification comes here too. */
static int signature_verify(void *vctx, const unsigned char *signature, size_t length, const unsigned char *digest,
                            size_t digest_length) {
  signature_ctx *ctx = vctx;
  EVP_PKEY_CTX *verifier = EVP_PKEY_CTX_new_from_pkey(NULL, signing_key_public(ctx->key), NULL);
  int is_rsa = signing_key_is_a(ctx->key, "RSA"), is_pss = is_rsa && ctx->padding == RSA_PKCS1_PSS_PADDING;
  int is_valid = verifier != NULL && EVP_PKEY_verify_init(verifier) > 0 &&
                 (ctx->md == NULL || EVP_PKEY_CTX_set_signature_md(verifier, ctx->md) > 0) &&
                 (!is_rsa || EVP_PKEY_CTX_set_rsa_padding(verifier, ctx->padding) > 0) &&
                 (!is_pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(verifier, ctx->salt_length) > 0) &&
                 EVP_PKEY_verify(verifier, signature, length, digest, digest_length) > 0;
  EVP_PKEY_CTX_free(verifier);
  return is_valid;
}

static int digest_verify_final(void *vctx, const unsigned char *signature, size_t length) {
  signature_ctx *ctx = vctx;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int digest_length = 0;
  if (ctx->hash == NULL || !EVP_DigestFinal_ex(ctx->hash, digest, &digest_length)) return 0;
  return signature_verify(ctx, signature, length, digest, digest_length);
}

/* ---- Ed25519: the whole message at once, without a digest (RFC 8032) ---- */

static int message_init(void *vctx, const char *md_name, void *vkey, const OSSL_PARAM params[]) {
  UNUSED(params);
  if (md_name != NULL && *md_name != 0) return signing_error(REASON_UNSUPPORTED, "a digest with Ed25519");
  return signature_init(vctx, vkey, NULL);
}

static int message_sign(void *vctx, unsigned char *out, size_t *length, size_t size, const unsigned char *message,
                        size_t message_length) {
  signature_ctx *ctx = vctx;
  unsigned char signature[MAX_SIGNATURE];
  *length = (size_t)EVP_PKEY_get_size(signing_key_public(ctx->key));
  if (out == NULL) return 1;
  if (message_length > MAX_MESSAGE) return signing_error(REASON_UNSUPPORTED, "a message of more than %d bytes", MAX_MESSAGE);
  const sign_input input = {.scheme = "ed25519", .md_name = "", .digest = message, .digest_length = message_length};
  size_t written = signing_key_sign(ctx->key, &input, signature);
  if (written == 0) return 0;
  if (written != *length || written > size)
    return signing_error(REASON_SIGNER, "the signature has %d bytes, not %d", (int)written, (int)*length);
  memcpy(out, signature, written);
  return 1;
}

static int message_verify(void *vctx, const unsigned char *signature, size_t length, const unsigned char *message,
                          size_t message_length) {
  signature_ctx *ctx = vctx;
  EVP_MD_CTX *verifier = EVP_MD_CTX_new();
  int is_valid = verifier != NULL &&
                 EVP_DigestVerifyInit_ex(verifier, NULL, NULL, NULL, NULL, signing_key_public(ctx->key), NULL) > 0 &&
                 EVP_DigestVerify(verifier, signature, length, message, message_length) > 0;
  EVP_MD_CTX_free(verifier);
  return is_valid;
}

const OSSL_DISPATCH message_signature_functions[] = {
    {OSSL_FUNC_SIGNATURE_NEWCTX, FN(signature_new)},
    {OSSL_FUNC_SIGNATURE_FREECTX, FN(signature_free)},
    {OSSL_FUNC_SIGNATURE_DUPCTX, FN(signature_dup)},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, FN(message_init)},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, FN(message_sign)},
    {OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_INIT, FN(message_init)},
    {OSSL_FUNC_SIGNATURE_DIGEST_VERIFY, FN(message_verify)},
    {0, NULL},
};

const OSSL_DISPATCH signature_functions[] = {
    {OSSL_FUNC_SIGNATURE_NEWCTX, FN(signature_new)},
    {OSSL_FUNC_SIGNATURE_FREECTX, FN(signature_free)},
    {OSSL_FUNC_SIGNATURE_DUPCTX, FN(signature_dup)},
    {OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, FN(signature_set_params)},
    {OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, FN(signature_settable)},
    {OSSL_FUNC_SIGNATURE_SIGN_INIT, FN(signature_init)},
    {OSSL_FUNC_SIGNATURE_SIGN, FN(signature_sign)},
    {OSSL_FUNC_SIGNATURE_VERIFY_INIT, FN(signature_init)},
    {OSSL_FUNC_SIGNATURE_VERIFY, FN(signature_verify)},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, FN(digest_init)},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, FN(digest_update)},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, FN(digest_sign_final)},
    {OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_INIT, FN(digest_init)},
    {OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_UPDATE, FN(digest_update)},
    {OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_FINAL, FN(digest_verify_final)},
    {0, NULL},
};

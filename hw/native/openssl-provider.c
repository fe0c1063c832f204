/*
 * An OpenSSL provider inside this process for keys whose private half is elsewhere (signing-key.h).
 *
 * node:tls takes a private key as PEM only. Our PEM holds a handle; the decoder here turns it into a key object that knows
 * the public key, and its signature implementation calls signing_key_sign().
 *
 * - `default` is loaded first, so that it stays in front of us for every ordinary key.
 * - A key exports its public part only, and refuses when the private part is asked for too. That refusal makes OpenSSL come
 *   to our signature implementation: EVP_DigestSignInit first tries to export the whole key to `default`.
 * - There is no new, gen or import: we are never used for keys that are not ours.
 */
#include "signing-key.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#define UNUSED(x) ((void)(x))
#define FN(function) ((void (*)(void))(function))
#define PROVIDER_NAME "fleetcert"
#define MAX_PEM_LINES 64
#define EC_NAMES "EC:id-ecPublicKey:1.2.840.10045.2.1"
#define RSA_NAMES "RSA:rsaEncryption:1.2.840.113549.1.1.1"

static OSSL_FUNC_BIO_gets_fn *core_gets;

/* ---- signatures: the private operation by the owner of the key, verification by OpenSSL ---- */

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
  int is_rsa = signing_key_is_rsa(ctx->key), is_pss = is_rsa && ctx->padding == RSA_PKCS1_PSS_PADDING;
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
  int is_rsa = signing_key_is_rsa(ctx->key), is_pss = is_rsa && ctx->padding == RSA_PKCS1_PSS_PADDING;
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

static const OSSL_DISPATCH signature_functions[] = {
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

/* ---- keys ---- */

/* Takes over the reference that decode() made. */
static void *key_load(const void *reference, size_t size) {
  if (size != sizeof(signing_key *)) return NULL;
  signing_key **slot = (signing_key **)reference, *key = *slot;
  *slot = NULL;
  return key;
}

static void key_free(void *key) { signing_key_release(key); }

static void *key_dup(const void *key, int selection) {
  UNUSED(selection);
  return signing_key_hold((signing_key *)key);
}

static int key_has(const void *key, int selection) {
  UNUSED(selection);
  return key != NULL;
}

static int key_match(const void *one, const void *other, int selection) {
  UNUSED(selection);
  return EVP_PKEY_eq(signing_key_public(one), signing_key_public(other)) == 1;
}

static int key_get_params(void *key, OSSL_PARAM params[]) { return EVP_PKEY_get_params(signing_key_public(key), params); }

static int key_export(void *key, int selection, OSSL_CALLBACK *callback, void *arg) {
  if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) return 0;
  return EVP_PKEY_export(signing_key_public(key), selection, callback, arg);
}

#define COMMON_PARAMS \
  OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL), OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL), \
      OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL), OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0)
#define EC_PARAMS \
  OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0), OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0)
#define RSA_PARAMS OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0), OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0)

static const OSSL_PARAM *ec_gettable(void *provider) {
  UNUSED(provider);
  static const OSSL_PARAM params[] = {COMMON_PARAMS, EC_PARAMS,
                                      OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0), OSSL_PARAM_END};
  return params;
}

static const OSSL_PARAM *rsa_gettable(void *provider) {
  UNUSED(provider);
  static const OSSL_PARAM params[] = {COMMON_PARAMS, RSA_PARAMS, OSSL_PARAM_END};
  return params;
}

static const OSSL_PARAM *ec_export_types(int selection) {
  static const OSSL_PARAM params[] = {EC_PARAMS, OSSL_PARAM_END};
  return selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY ? NULL : params;
}

static const OSSL_PARAM *rsa_export_types(int selection) {
  static const OSSL_PARAM params[] = {RSA_PARAMS, OSSL_PARAM_END};
  return selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY ? NULL : params;
}

static const char *ec_operation_name(int operation) { return operation == OSSL_OP_SIGNATURE ? "ECDSA" : "EC"; }

static const char *rsa_operation_name(int operation) {
  UNUSED(operation);
  return "RSA";
}

#define KEY_FUNCTIONS(gettable, export_types, operation_name) \
  { \
    {OSSL_FUNC_KEYMGMT_LOAD, FN(key_load)}, {OSSL_FUNC_KEYMGMT_FREE, FN(key_free)}, {OSSL_FUNC_KEYMGMT_DUP, FN(key_dup)}, \
        {OSSL_FUNC_KEYMGMT_HAS, FN(key_has)}, {OSSL_FUNC_KEYMGMT_MATCH, FN(key_match)}, \
        {OSSL_FUNC_KEYMGMT_GET_PARAMS, FN(key_get_params)}, {OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, FN(gettable)}, \
        {OSSL_FUNC_KEYMGMT_EXPORT, FN(key_export)}, {OSSL_FUNC_KEYMGMT_EXPORT_TYPES, FN(export_types)}, \
        {OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, FN(operation_name)}, {0, NULL}, \
  }

static const OSSL_DISPATCH ec_key_functions[] = KEY_FUNCTIONS(ec_gettable, ec_export_types, ec_operation_name);
static const OSSL_DISPATCH rsa_key_functions[] = KEY_FUNCTIONS(rsa_gettable, rsa_export_types, rsa_operation_name);

/* ---- the PEM handle ---- */

static void *decoder_new(void *provider) { return provider; }

static void decoder_free(void *ctx) { UNUSED(ctx); }

static int decoder_does_selection(void *provider, int selection) {
  UNUSED(provider);
  return selection == 0 || (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0;
}

static int read_line(OSSL_CORE_BIO *bio, char *line, int size) {
  int length = core_gets(bio, line, size);
  if (length <= 0) return 0;
  line[strcspn(line, "\r\n")] = 0;
  return 1;
}

/* The registered key whose handle is the first PEM block; NULL when that block is something else. */
static signing_key *read_handle(OSSL_CORE_BIO *bio) {
  char line[256], handle[256];
  for (int lines = 0; lines < MAX_PEM_LINES; lines++) {
    if (!read_line(bio, line, sizeof line)) return NULL;
    if (strncmp(line, "-----BEGIN ", 11) != 0) continue;
    if (strcmp(line, PEM_BEGIN) != 0 || !read_line(bio, handle, sizeof handle) || !read_line(bio, line, sizeof line)) return NULL;
    return strcmp(line, PEM_END) == 0 ? signing_key_find(handle) : NULL;
  }
  return NULL;
}

/* Returns 1 without a callback for everything that is not ours, so that the next decoder is asked. */
static int decode(OSSL_CORE_BIO *bio, OSSL_CALLBACK *callback, void *arg, int is_rsa) {
  signing_key *key = read_handle(bio);
  if (key == NULL) return 1;
  int answer = 1, type = OSSL_OBJECT_PKEY;
  if (signing_key_is_rsa(key) == is_rsa) {
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, is_rsa ? "RSA" : "EC", 0),
        OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &key, sizeof key),
        OSSL_PARAM_construct_end(),
    };
    answer = callback(params, arg);
  }
  signing_key_release(key); /* NULL when key_load() took it */
  return answer;
}

static int decode_ec(void *ctx, OSSL_CORE_BIO *bio, int selection, OSSL_CALLBACK *callback, void *arg,
                     OSSL_PASSPHRASE_CALLBACK *passphrase, void *passphrase_arg) {
  UNUSED(ctx), UNUSED(selection), UNUSED(passphrase), UNUSED(passphrase_arg);
  return decode(bio, callback, arg, 0);
}

static int decode_rsa(void *ctx, OSSL_CORE_BIO *bio, int selection, OSSL_CALLBACK *callback, void *arg,
                      OSSL_PASSPHRASE_CALLBACK *passphrase, void *passphrase_arg) {
  UNUSED(ctx), UNUSED(selection), UNUSED(passphrase), UNUSED(passphrase_arg);
  return decode(bio, callback, arg, 1);
}

#define DECODER_FUNCTIONS(function) \
  { \
    {OSSL_FUNC_DECODER_NEWCTX, FN(decoder_new)}, {OSSL_FUNC_DECODER_FREECTX, FN(decoder_free)}, \
        {OSSL_FUNC_DECODER_DOES_SELECTION, FN(decoder_does_selection)}, {OSSL_FUNC_DECODER_DECODE, FN(function)}, {0, NULL}, \
  }

static const OSSL_DISPATCH ec_decoder_functions[] = DECODER_FUNCTIONS(decode_ec);
static const OSSL_DISPATCH rsa_decoder_functions[] = DECODER_FUNCTIONS(decode_rsa);

/* ---- provider ---- */

static const OSSL_ALGORITHM *provider_query(void *provider, int operation, int *no_cache) {
  static const char properties[] = "provider=" PROVIDER_NAME;
  static const OSSL_ALGORITHM keys[] = {{EC_NAMES, properties, ec_key_functions, NULL},
                                        {RSA_NAMES, properties, rsa_key_functions, NULL},
                                        {NULL, NULL, NULL, NULL}};
  static const OSSL_ALGORITHM signatures[] = {{"ECDSA", properties, signature_functions, NULL},
                                              {RSA_NAMES, properties, signature_functions, NULL},
                                              {NULL, NULL, NULL, NULL}};
  static const OSSL_ALGORITHM decoders[] = {{EC_NAMES, "provider=" PROVIDER_NAME ",input=pem", ec_decoder_functions, NULL},
                                            {RSA_NAMES, "provider=" PROVIDER_NAME ",input=pem", rsa_decoder_functions, NULL},
                                            {NULL, NULL, NULL, NULL}};
  UNUSED(provider);
  *no_cache = 0;
  if (operation == OSSL_OP_KEYMGMT) return keys;
  if (operation == OSSL_OP_SIGNATURE) return signatures;
  return operation == OSSL_OP_DECODER ? decoders : NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **context) {
  static const OSSL_DISPATCH functions[] = {{OSSL_FUNC_PROVIDER_QUERY_OPERATION, FN(provider_query)}, {0, NULL}};
  for (; in->function_id != 0; in++)
    if (in->function_id == OSSL_FUNC_BIO_GETS) core_gets = OSSL_FUNC_BIO_gets(in);
  *out = functions;
  *context = (void *)handle;
  return core_gets != NULL;
}

int openssl_provider_load(void) {
  return OSSL_PROVIDER_try_load(NULL, "default", 1) != NULL && OSSL_PROVIDER_add_builtin(NULL, PROVIDER_NAME, provider_init) &&
         OSSL_PROVIDER_try_load(NULL, PROVIDER_NAME, 1) != NULL;
}

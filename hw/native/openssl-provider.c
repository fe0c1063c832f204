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
 * - There is no match either. With one, OpenSSL first tries to import the other key here when it compares a certificate
 *   with one of our keys, and leaves the error of that on the thread's queue, where it ends somebody else's TLS session.
 */
#include "signing-key.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <string.h>

#define PROVIDER_NAME "fleetcert"
#define MAX_PEM_LINES 64
#define EC_NAMES "EC:id-ecPublicKey:1.2.840.10045.2.1"
#define RSA_NAMES "RSA:rsaEncryption:1.2.840.113549.1.1.1"
#define ED25519_NAMES "ED25519:1.3.101.112"

static OSSL_FUNC_BIO_gets_fn *core_gets;

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
#define ED25519_PARAMS OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0)
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

/* A mandatory digest that is empty says that there is none. */
static const OSSL_PARAM *ed25519_gettable(void *provider) {
  UNUSED(provider);
  static const OSSL_PARAM params[] = {COMMON_PARAMS, ED25519_PARAMS,
                                      OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0), OSSL_PARAM_END};
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

static const OSSL_PARAM *ed25519_export_types(int selection) {
  static const OSSL_PARAM params[] = {ED25519_PARAMS, OSSL_PARAM_END};
  return selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY ? NULL : params;
}

static const char *ec_operation_name(int operation) { return operation == OSSL_OP_SIGNATURE ? "ECDSA" : "EC"; }

static const char *rsa_operation_name(int operation) {
  UNUSED(operation);
  return "RSA";
}

static const char *ed25519_operation_name(int operation) {
  UNUSED(operation);
  return "ED25519";
}

#define KEY_FUNCTIONS(gettable, export_types, operation_name) \
  { \
    {OSSL_FUNC_KEYMGMT_LOAD, FN(key_load)}, {OSSL_FUNC_KEYMGMT_FREE, FN(key_free)}, {OSSL_FUNC_KEYMGMT_DUP, FN(key_dup)}, \
        {OSSL_FUNC_KEYMGMT_HAS, FN(key_has)}, \
        {OSSL_FUNC_KEYMGMT_GET_PARAMS, FN(key_get_params)}, {OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, FN(gettable)}, \
        {OSSL_FUNC_KEYMGMT_EXPORT, FN(key_export)}, {OSSL_FUNC_KEYMGMT_EXPORT_TYPES, FN(export_types)}, \
        {OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, FN(operation_name)}, {0, NULL}, \
  }

static const OSSL_DISPATCH ec_key_functions[] = KEY_FUNCTIONS(ec_gettable, ec_export_types, ec_operation_name);
static const OSSL_DISPATCH rsa_key_functions[] = KEY_FUNCTIONS(rsa_gettable, rsa_export_types, rsa_operation_name);
static const OSSL_DISPATCH ed25519_key_functions[] =
    KEY_FUNCTIONS(ed25519_gettable, ed25519_export_types, ed25519_operation_name);

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
static int decode(OSSL_CORE_BIO *bio, OSSL_CALLBACK *callback, void *arg, const char *wanted) {
  signing_key *key = read_handle(bio);
  if (key == NULL) return 1;
  int answer = 1, type = OSSL_OBJECT_PKEY;
  if (signing_key_is_a(key, wanted)) {
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, (char *)wanted, 0),
        OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &key, sizeof key),
        OSSL_PARAM_construct_end(),
    };
    answer = callback(params, arg);
  }
  signing_key_release(key); /* NULL when key_load() took it */
  return answer;
}

#define DECODE(name, type) \
  static int name(void *ctx, OSSL_CORE_BIO *bio, int selection, OSSL_CALLBACK *callback, void *arg, \
                  OSSL_PASSPHRASE_CALLBACK *passphrase, void *passphrase_arg) { \
    UNUSED(ctx), UNUSED(selection), UNUSED(passphrase), UNUSED(passphrase_arg); \
    return decode(bio, callback, arg, type); \
  }
DECODE(decode_ec, "EC")
DECODE(decode_rsa, "RSA")
DECODE(decode_ed25519, "ED25519")

#define DECODER_FUNCTIONS(function) \
  { \
    {OSSL_FUNC_DECODER_NEWCTX, FN(decoder_new)}, {OSSL_FUNC_DECODER_FREECTX, FN(decoder_free)}, \
        {OSSL_FUNC_DECODER_DOES_SELECTION, FN(decoder_does_selection)}, {OSSL_FUNC_DECODER_DECODE, FN(function)}, {0, NULL}, \
  }

static const OSSL_DISPATCH ec_decoder_functions[] = DECODER_FUNCTIONS(decode_ec);
static const OSSL_DISPATCH rsa_decoder_functions[] = DECODER_FUNCTIONS(decode_rsa);
static const OSSL_DISPATCH ed25519_decoder_functions[] = DECODER_FUNCTIONS(decode_ed25519);

/* ---- provider ---- */

static const OSSL_ALGORITHM *provider_query(void *provider, int operation, int *no_cache) {
  static const char properties[] = "provider=" PROVIDER_NAME;
  static const OSSL_ALGORITHM keys[] = {{EC_NAMES, properties, ec_key_functions, NULL},
                                        {RSA_NAMES, properties, rsa_key_functions, NULL},
                                        {ED25519_NAMES, properties, ed25519_key_functions, NULL},
                                        {NULL, NULL, NULL, NULL}};
  static const OSSL_ALGORITHM signatures[] = {{"ECDSA", properties, signature_functions, NULL},
                                              {RSA_NAMES, properties, signature_functions, NULL},
                                              {ED25519_NAMES, properties, message_signature_functions, NULL},
                                              {NULL, NULL, NULL, NULL}};
  static const OSSL_ALGORITHM decoders[] = {{EC_NAMES, "provider=" PROVIDER_NAME ",input=pem", ec_decoder_functions, NULL},
                                            {RSA_NAMES, "provider=" PROVIDER_NAME ",input=pem", rsa_decoder_functions, NULL},
                                            {ED25519_NAMES, "provider=" PROVIDER_NAME ",input=pem", ed25519_decoder_functions, NULL},
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

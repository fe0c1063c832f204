/*
 * Keys that sign through a JavaScript function: their registry, and the call from any thread into the one that owns them.
 *
 * The function is called directly on the thread that registered it, and through a queue from every other thread. The owner
 * must not block while another thread signs (Atomics.wait): that wait ends with an error after a minute.
 */
#define NAPI_VERSION 8
#define _GNU_SOURCE 1
#include "signing-key.h"

#include <dlfcn.h>
#include <node_api.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define SIGNER_TIMEOUT_NS 60000000000ull

struct signing_key {
  signing_key *next;
  int references;
  int closed;
  char handle[HANDLE_TEXT];
  EVP_PKEY *public_key;
  uv_thread_t owner;
  napi_env env;
  napi_ref sign;
  napi_threadsafe_function queue;
};

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock; /* guards the registry, and references and closed of every key */
static signing_key *registry;
static int is_ready;
static int error_library;

static ERR_STRING_DATA library_name[] = {{0, "fleetcert"}, {0, NULL}};
static ERR_STRING_DATA error_strings[] = {
    {ERR_PACK(0, 0, REASON_SIGNER), "signer failed"},
    {ERR_PACK(0, 0, REASON_CLOSED), "key is closed"},
    {ERR_PACK(0, 0, REASON_UNSUPPORTED), "unsupported signature parameters"},
    {0, NULL},
};

int signing_error(enum signing_reason reason, const char *format, ...) {
  va_list args;
  va_start(args, format);
  ERR_new();
  ERR_set_debug("fleetcert", 0, "sign");
  ERR_vset_error(error_library, reason, format, args);
  va_end(args);
  return 0;
}

/* ---- registry ---- */

signing_key *signing_key_hold(signing_key *key) {
  uv_mutex_lock(&lock);
  key->references++;
  uv_mutex_unlock(&lock);
  return key;
}

void signing_key_release(signing_key *key) {
  if (key == NULL) return;
  uv_mutex_lock(&lock);
  int left = --key->references;
  uv_mutex_unlock(&lock);
  if (left > 0) return;
  EVP_PKEY_free(key->public_key);
  free(key);
}

signing_key *signing_key_find(const char *handle) {
  uv_mutex_lock(&lock);
  signing_key *key = registry;
  while (key != NULL && strcmp(key->handle, handle) != 0) key = key->next;
  if (key != NULL) key->references++;
  uv_mutex_unlock(&lock);
  return key;
}

EVP_PKEY *signing_key_public(const signing_key *key) { return key->public_key; }

int signing_key_is_a(const signing_key *key, const char *type) { return EVP_PKEY_is_a(key->public_key, type); }

/* On the owner thread: by unregister(), or when its environment ends (without that a later signature would abort). */
static void close_key(void *data) {
  signing_key *key = data;
  uv_mutex_lock(&lock);
  signing_key **at = &registry;
  while (*at != NULL && *at != key) at = &(*at)->next;
  if (*at != NULL) *at = key->next;
  key->closed = 1;
  napi_release_threadsafe_function(key->queue, napi_tsfn_abort);
  uv_mutex_unlock(&lock);
  napi_delete_reference(key->env, key->sign);
  signing_key_release(key);
}

/* ---- the call into JavaScript ---- */

typedef struct {
  signing_key *key;
  char scheme[16], md_name[32];
  unsigned char *digest;
  size_t digest_length;
  int salt_length;
  size_t signature_length; /* 0: `error` tells why */
  unsigned char signature[MAX_SIGNATURE];
  char error[400];
  uv_mutex_t mutex; /* guards references and done */
  uv_cond_t answered;
  int references, done;
} sign_request;

static sign_request *request_new(signing_key *key, const sign_input *input) {
  sign_request *request = calloc(1, sizeof *request);
  unsigned char *digest = malloc(input->digest_length + 1);
  if (request == NULL || digest == NULL) {
    free(request);
    free(digest);
    return NULL;
  }
  request->digest = digest;
  request->key = signing_key_hold(key);
  OPENSSL_strlcpy(request->scheme, input->scheme, sizeof request->scheme);
  OPENSSL_strlcpy(request->md_name, input->md_name, sizeof request->md_name);
  memcpy(request->digest, input->digest, input->digest_length);
  request->digest_length = input->digest_length;
  request->salt_length = input->salt_length;
  request->references = 1;
  uv_mutex_init(&request->mutex);
  uv_cond_init(&request->answered);
  return request;
}

static void request_release(sign_request *request) {
  uv_mutex_lock(&request->mutex);
  int left = --request->references;
  uv_mutex_unlock(&request->mutex);
  if (left > 0) return;
  uv_cond_destroy(&request->answered);
  uv_mutex_destroy(&request->mutex);
  signing_key_release(request->key);
  free(request->digest);
  free(request);
}

static void take_exception(napi_env env, sign_request *request) {
  napi_value exception, text;
  size_t length = 0;
  if (napi_get_and_clear_last_exception(env, &exception) == napi_ok &&
      napi_coerce_to_string(env, exception, &text) == napi_ok &&
      napi_get_value_string_utf8(env, text, request->error, sizeof request->error, &length) == napi_ok && length > 0)
    return;
  napi_get_and_clear_last_exception(env, &exception);
  strcpy(request->error, "the sign function failed");
}

static void take_signature(napi_env env, napi_value result, sign_request *request) {
  bool is_promise = false, is_typed_array = false;
  napi_typedarray_type type;
  size_t length = 0;
  void *bytes = NULL;
  napi_is_promise(env, result, &is_promise);
  napi_is_typedarray(env, result, &is_typed_array);
  if (is_promise) {
    strcpy(request->error, "the sign function returned a Promise; TLS needs the answer synchronously");
  } else if (!is_typed_array ||
             napi_get_typedarray_info(env, result, &type, &length, &bytes, NULL, NULL) != napi_ok ||
             type != napi_uint8_array || length == 0 || length > MAX_SIGNATURE) {
    strcpy(request->error, "the sign function must return a Uint8Array of 1 to 1024 bytes");
  } else {
    memcpy(request->signature, bytes, length);
    request->signature_length = length;
  }
}

/* On the owner thread. Leaves no exception and no handle behind. */
static void run_signer(napi_env env, sign_request *request) {
  napi_handle_scope scope;
  napi_value function, receiver, args[4], result;
  if (napi_open_handle_scope(env, &scope) != napi_ok) {
    strcpy(request->error, "JavaScript cannot run any more");
    return;
  }
  if (napi_get_reference_value(env, request->key->sign, &function) == napi_ok &&
      napi_get_undefined(env, &receiver) == napi_ok &&
      napi_create_string_utf8(env, request->scheme, NAPI_AUTO_LENGTH, &args[0]) == napi_ok &&
      napi_create_string_utf8(env, request->md_name, NAPI_AUTO_LENGTH, &args[1]) == napi_ok &&
      napi_create_buffer_copy(env, request->digest_length, request->digest, NULL, &args[2]) == napi_ok &&
      napi_create_int32(env, request->salt_length, &args[3]) == napi_ok &&
      napi_call_function(env, receiver, function, 4, args, &result) == napi_ok)
    take_signature(env, result, request);
  else
    take_exception(env, request);
  napi_close_handle_scope(env, scope);
}

/* The queue's consumer: on the owner thread, with env NULL when that thread is ending. */
static void answer_request(napi_env env, napi_value function, void *context, void *data) {
  UNUSED(function), UNUSED(context);
  sign_request *request = data;
  if (env == NULL || request->key->closed)
    strcpy(request->error, "the key was closed, or the thread that owns it has ended");
  else
    run_signer(env, request);
  uv_mutex_lock(&request->mutex);
  request->done = 1;
  uv_cond_signal(&request->answered);
  uv_mutex_unlock(&request->mutex);
  request_release(request);
}

/* On any other thread. Returns whether the owner has answered. */
static int ask_owner(sign_request *request) {
  signing_key *key = request->key;
  request->references = 2;
  uv_mutex_lock(&lock); /* held over the call: close_key() releases the queue under the same lock */
  int is_queued = !key->closed && napi_call_threadsafe_function(key->queue, request, napi_tsfn_nonblocking) == napi_ok;
  uv_mutex_unlock(&lock);
  if (!is_queued) {
    request->references = 1;
    return signing_error(REASON_CLOSED, "the key was closed, or the thread that owns it has ended");
  }
  uv_mutex_lock(&request->mutex);
  int is_late = 0;
  while (!request->done && !is_late)
    is_late = uv_cond_timedwait(&request->answered, &request->mutex, SIGNER_TIMEOUT_NS) != 0;
  int done = request->done;
  uv_mutex_unlock(&request->mutex);
  return done || signing_error(REASON_SIGNER, "the thread that owns the key did not answer within a minute");
}

static int run_on_owner(sign_request *request) {
  uv_thread_t self = uv_thread_self();
  if (!uv_thread_equal(&self, &request->key->owner)) return ask_owner(request);
  if (request->key->closed) return signing_error(REASON_CLOSED, "the key was closed");
  run_signer(request->key->env, request);
  return 1;
}

size_t signing_key_sign(signing_key *key, const sign_input *input, unsigned char *out) {
  sign_request *request = request_new(key, input);
  size_t length = 0;
  if (request == NULL) return 0;
  if (run_on_owner(request)) {
    length = request->signature_length;
    memcpy(out, request->signature, length);
    if (length == 0) signing_error(REASON_SIGNER, "signer: %s", request->error);
  }
  request_release(request);
  return length;
}

/* ---- what JavaScript sees ---- */

static napi_value throw_error(napi_env env, const char *message) {
  ERR_clear_error();
  napi_throw_error(env, NULL, message);
  return NULL;
}

static EVP_PKEY *public_key_argument(napi_env env, napi_value value) {
  bool is_typed_array = false;
  size_t length = 0;
  void *bytes = NULL;
  napi_typedarray_type type;
  if (napi_is_typedarray(env, value, &is_typed_array) != napi_ok || !is_typed_array ||
      napi_get_typedarray_info(env, value, &type, &length, &bytes, NULL, NULL) != napi_ok || type != napi_uint8_array)
    return NULL;
  const unsigned char *at = bytes;
  EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)length);
  if (key != NULL && at == (unsigned char *)bytes + length &&
      (EVP_PKEY_is_a(key, "EC") || EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "ED25519")))
    return key;
  EVP_PKEY_free(key);
  return NULL;
}

/* register(spki, sign): the PEM for the `key` option of node:tls. */
static napi_value register_key(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value args[2], name, pem;
  napi_valuetype type = napi_undefined;
  unsigned char random[16];
  char text[160];
  if (!is_ready) return throw_error(env, "OpenSSL did not load the provider of token keys");
  if (napi_get_cb_info(env, info, &count, args, NULL, NULL) != napi_ok || count != 2 ||
      napi_typeof(env, args[1], &type) != napi_ok || type != napi_function)
    return throw_error(env, "register(spki, sign) needs a public key and a function");
  signing_key *key = calloc(1, sizeof *key);
  if (key == NULL || RAND_bytes(random, sizeof random) != 1 || (key->public_key = public_key_argument(env, args[0])) == NULL) {
    free(key);
    return throw_error(env, "the public key is not the SPKI of an EC, RSA or Ed25519 key");
  }
  EVP_EncodeBlock((unsigned char *)key->handle, random, sizeof random);
  key->references = 1;
  key->env = env;
  key->owner = uv_thread_self();
  if (napi_create_string_utf8(env, "fleetcert sign", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_reference(env, args[1], 1, &key->sign) != napi_ok ||
      napi_create_threadsafe_function(env, NULL, NULL, name, 0, 1, NULL, NULL, NULL, answer_request, &key->queue) != napi_ok) {
    if (key->sign != NULL) napi_delete_reference(env, key->sign);
    signing_key_release(key);
    return throw_error(env, "the sign function cannot be kept");
  }
  napi_unref_threadsafe_function(env, key->queue);
  napi_add_env_cleanup_hook(env, close_key, key);
  uv_mutex_lock(&lock);
  key->next = registry;
  registry = key;
  uv_mutex_unlock(&lock);
  snprintf(text, sizeof text, PEM_BEGIN "\n%s\n" PEM_END "\n", key->handle);
  return napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &pem) == napi_ok ? pem : NULL;
}

/* unregister(pem): whether it was a key of this thread; no signature can start with it any more. */
static napi_value unregister_key(napi_env env, napi_callback_info info) {
  size_t count = 1, length = 0;
  napi_value arg, answer = NULL;
  char pem[160] = "", handle[HANDLE_TEXT] = "";
  const size_t prefix = sizeof PEM_BEGIN; /* with the newline */
  if (napi_get_cb_info(env, info, &count, &arg, NULL, NULL) == napi_ok && count == 1 &&
      napi_get_value_string_utf8(env, arg, pem, sizeof pem, &length) == napi_ok && length > prefix)
    OPENSSL_strlcpy(handle, pem + prefix, sizeof handle);
  signing_key *key = signing_key_find(handle);
  bool is_ours = key != NULL && key->env == env;
  if (is_ours) {
    napi_remove_env_cleanup_hook(env, close_key, key);
    close_key(key);
  }
  signing_key_release(key);
  return napi_get_boolean(env, is_ours, &answer) == napi_ok ? answer : NULL;
}

/* registered(): how many keys are open in this process, on all threads. */
static napi_value count_registered(napi_env env, napi_callback_info info) {
  UNUSED(info);
  napi_value answer = NULL;
  uint32_t count = 0;
  uv_mutex_lock(&lock);
  for (signing_key *key = registry; key != NULL; key = key->next) count++;
  uv_mutex_unlock(&lock);
  return napi_create_uint32(env, count, &answer) == napi_ok ? answer : NULL;
}

static void set_up(void) {
  Dl_info self;
  uv_mutex_init(&lock);
  /* Node unloads an addon with the last worker that used it; OpenSSL keeps our function pointers for the whole process. */
  if (dladdr((void *)set_up, &self) == 0 || dlopen(self.dli_fname, RTLD_NOW | RTLD_NODELETE) == NULL) return;
  error_library = ERR_get_next_error_library();
  library_name[0].error = ERR_PACK(error_library, 0, 0);
  ERR_load_strings(error_library, library_name);
  ERR_load_strings(error_library, error_strings);
  is_ready = openssl_provider_load();
}

NAPI_MODULE_INIT() {
  const napi_property_descriptor properties[] = {
      {"register", NULL, register_key, NULL, NULL, NULL, napi_enumerable, NULL},
      {"unregister", NULL, unregister_key, NULL, NULL, NULL, napi_enumerable, NULL},
      {"registered", NULL, count_registered, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  uv_once(&once, set_up);
  napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties);
  return exports;
}

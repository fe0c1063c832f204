/*
 * A PKCS#11 module that forwards every call to another one and, when a test says so, fails or holds up one of them.
 *
 * FAULT_TOKEN_MODULE names the module to forward to, FAULT_TOKEN_CONTROL a file of 256 bytes that is mapped and shared with
 * the test (struct control). Every call is passed on with eight words of arguments, the most PKCS#11 has: the calling
 * conventions of x86-64 and AArch64 let a function ignore what it does not take.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef unsigned long word;
typedef word (*function)(word, word, word, word, word, word, word, word);

struct function_list {
  unsigned char major, minor;
  function functions[68];
};

struct control {
  uint64_t calls;     /* of functions that match, since the test set it to 0 */
  uint64_t fail_at;   /* the first of them that fails, from 1; 0 for never */
  uint64_t times;     /* how many in a row */
  uint64_t result;    /* CKR_ to fail with; 0 only holds the call up */
  uint64_t hang_us;   /* before anything else is done */
  uint64_t after;     /* the call is made, and its result lost */
  uint64_t failed;    /* how many failed */
  uint64_t reserved;
  char only[64];      /* name of the one function that counts; empty for all */
  char last[64];      /* name of the last one that failed */
};

static struct control *control;
static struct function_list *real, ours;

static int is_due(const char *name) {
  if (control == NULL || (control->only[0] != 0 && strncmp(control->only, name, sizeof control->only) != 0)) return 0;
  uint64_t call = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST), first = control->fail_at;
  if (first == 0 || call < first || call >= first + control->times) return 0;
  __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
  strncpy(control->last, name, sizeof control->last - 1);
  return 1;
}

/* Order of CK_FUNCTION_LIST, PKCS#11 2.40 appendix. C_GetFunctionList itself stands at 3. */
#define EACH(X) \
  X(0, C_Initialize) X(1, C_Finalize) X(2, C_GetInfo) X(4, C_GetSlotList) X(5, C_GetSlotInfo) X(6, C_GetTokenInfo) \
  X(7, C_GetMechanismList) X(8, C_GetMechanismInfo) X(9, C_InitToken) X(10, C_InitPIN) X(11, C_SetPIN) X(12, C_OpenSession) \
  X(13, C_CloseSession) X(14, C_CloseAllSessions) X(15, C_GetSessionInfo) X(16, C_GetOperationState) \
  X(17, C_SetOperationState) X(18, C_Login) X(19, C_Logout) X(20, C_CreateObject) X(21, C_CopyObject) X(22, C_DestroyObject) \
  X(23, C_GetObjectSize) X(24, C_GetAttributeValue) X(25, C_SetAttributeValue) X(26, C_FindObjectsInit) X(27, C_FindObjects) \
  X(28, C_FindObjectsFinal) X(29, C_EncryptInit) X(30, C_Encrypt) X(31, C_EncryptUpdate) X(32, C_EncryptFinal) \
  X(33, C_DecryptInit) X(34, C_Decrypt) X(35, C_DecryptUpdate) X(36, C_DecryptFinal) X(37, C_DigestInit) X(38, C_Digest) \
  X(39, C_DigestUpdate) X(40, C_DigestKey) X(41, C_DigestFinal) X(42, C_SignInit) X(43, C_Sign) X(44, C_SignUpdate) \
  X(45, C_SignFinal) X(46, C_SignRecoverInit) X(47, C_SignRecover) X(48, C_VerifyInit) X(49, C_Verify) X(50, C_VerifyUpdate) \
  X(51, C_VerifyFinal) X(52, C_VerifyRecoverInit) X(53, C_VerifyRecover) X(54, C_DigestEncryptUpdate) \
  X(55, C_DecryptDigestUpdate) X(56, C_SignEncryptUpdate) X(57, C_DecryptVerifyUpdate) X(58, C_GenerateKey) \
  X(59, C_GenerateKeyPair) X(60, C_WrapKey) X(61, C_UnwrapKey) X(62, C_DeriveKey) X(63, C_SeedRandom) X(64, C_GenerateRandom) \
  X(65, C_GetFunctionStatus) X(66, C_CancelFunction) X(67, C_WaitForSlotEvent)

#define FORWARD(index, name) \
  static word our_##name(word a, word b, word c, word d, word e, word f, word g, word h) { \
    int due = is_due(#name); \
    if (due && control->hang_us > 0) usleep((useconds_t)control->hang_us); \
    if (due && control->result != 0 && !control->after) return (word)control->result; \
    word answer = real->functions[index](a, b, c, d, e, f, g, h); \
    return due && control->result != 0 ? (word)control->result : answer; \
  }
EACH(FORWARD)

word C_GetFunctionList(struct function_list **list);

static void set_up(void) {
  const char *module = getenv("FAULT_TOKEN_MODULE"), *path = getenv("FAULT_TOKEN_CONTROL");
  void *library = module == NULL ? NULL : dlopen(module, RTLD_NOW | RTLD_LOCAL);
  word (*get)(struct function_list **) = NULL;
  if (library != NULL) *(void **)&get = dlsym(library, "C_GetFunctionList");
  if (get == NULL || get(&real) != 0) return;
  int file = path == NULL ? -1 : open(path, O_RDWR);
  if (file >= 0) {
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) control = mapped;
    close(file);
  }
  ours.major = real->major;
  ours.minor = real->minor;
  *(void **)&ours.functions[3] = (void *)C_GetFunctionList;
#define PUT(index, name) ours.functions[index] = our_##name;
  EACH(PUT)
}

__attribute__((visibility("default"))) word C_GetFunctionList(struct function_list **list) {
  if (real == NULL) set_up();
  if (real == NULL || control == NULL) return 5; /* CKR_GENERAL_ERROR */
  *list = &ours;
  return 0;
}

{
  "targets": [
    {
      "target_name": "fleetcert_tls",
      "sources": ["openssl-provider.c", "signature.c", "signing-key.c"],
      "cflags": ["-std=c11", "-Wall", "-Wextra", "-Werror=implicit-function-declaration", "-fvisibility=hidden", "-fstack-protector-strong"]
    }
  ]
}

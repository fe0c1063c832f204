/** Every event the audit chain may hold, with what it says. The target is named after the arrow. */
export const auditEvents = {
  // the controller itself
  "controller.started": "The controller began to serve → fleet",
  "controller.stopped": "The controller stopped in order → fleet",
  "controller.recovered": "Open intents of an earlier run were closed at the start → fleet",
  "ca.created": "A certificate authority was made → issuer",
  "trust.published": "A trust bundle was published → version",
  "commandKey.activated": "A command key began to sign → key id",
  "commandKey.retired": "A command key ended → key id",
  "listener.renewed": "A listener's certificate was replaced → listener",
  "settings.changed": "A setting was changed → its name",
  // persons and rights
  "operator.created": "A person got access → operator",
  "operator.disabled": "A person's access ended → operator",
  "access.denied": "Somebody without the right tried (I8) → what was tried",
  // enrolment and devices
  "claim.created": "A right to enrol was given → claim",
  "claim.revoked": "A right to enrol was taken back → claim",
  "enrolment.refused": "A device was not admitted → device",
  "device.enrolled": "A device was admitted → device",
  "device.changed": "Registry attributes of a device were changed → device",
  "device.suspended": "A device was blocked until a person re-approves it (I7) → device",
  "device.reinstated": "A person re-approved a device → device",
  "device.retired": "A device left for good → device",
  "renewal.requested": "A rotation was asked for by a person or by policy → device",
  "renewal.refused": "A device's renewal was refused → device",
  "message.refused": "A device's message was refused → device",
  "clone.suspected": "A device's counter went back: two may use its key → device",
  "clone.cleared": "A device answered the challenge with its proven key → device",
  // credentials
  "certificate.intent": "A certificate is about to be signed (I2) → device",
  "certificate.issued": "A certificate was signed and stored → device",
  "certificate.aborted": "A signature was given up; its serial is burnt → device",
  "certificate.proven": "A device used its new certificate → device",
  "certificate.retired": "A device gave its old key up → device",
  "certificate.revoked": "A certificate was revoked → device",
  // revocation
  "crl.intent": "A CRL is about to be signed (I2) → issuer",
  "crl.published": "A CRL was signed and published → issuer",
  "crl.aborted": "A CRL was given up → issuer",
  "revocation.refused": "A revocation was above the bound one person may do alone → selection",
} as const;

// Initialises a blank token in a process of its own: MODULE LABEL SO-PIN-FILE PIN-FILE.
import { initialiseToken, secretFile } from "@fleetcert/hw";

const [modulePath = "", label = "", soPinFile = "", pinFile = ""] = process.argv.slice(2);
initialiseToken({ modulePath, label, soPin: await secretFile(soPinFile)(), userPin: await secretFile(pinFile)() });

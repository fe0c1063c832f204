#!/usr/bin/env node
import { launch } from "../../scripts/launch.mjs";

await launch("controller/src/main.ts");

/** `node dist/bench/figures/count-lines.js`: counts the guest's lines anew, for packages without its sources. */
import { writeFileSync } from "node:fs";
import { COMMITTED, countPorting } from "./porting.js";

writeFileSync(COMMITTED, `${JSON.stringify(countPorting())}\n`);

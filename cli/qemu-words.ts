/** QEMU's words for what trivisor has, so that a QEMU command line can be tried as it stands. */

/** QEMU's word to ours; a value follows both. */
const RENAMED: Readonly<Record<string, string>> = {
  "-append": "--append", "-initrd": "--initrd", "-hda": "--disk", "-hdb": "--disk", "-hdc": "--disk", "-hdd": "--disk", "-nic": "--nic",
};
/** QEMU's words without a value that are ours with two dashes. */
const SWITCHES: Readonly<Record<string, string>> = { "-no-reboot": "--no-reboot" };
/** Words that ask for what is so anyway, with the number of values that follow. */
const IDLE: Readonly<Record<string, number>> = { "-nographic": 0, "-display": 1, "-serial": 1, "-monitor": 1, "-nodefaults": 0 };

/** The arguments in trivisor's words; those of other programs stay as they are. */
export function fromQemu(args: readonly string[]): string[] {
  if (args[0] !== "run") return [...args];
  const ours: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (word === "--") return [...ours, ...args.slice(i)];
    const idle = IDLE[word];
    if (idle !== undefined) i += idle;
    else if (word === "-kernel") continue; // its value is the image
    else ours.push(RENAMED[word] ?? SWITCHES[word] ?? word);
    // A value is never a word of QEMU's.
    if (RENAMED[word] !== undefined && i + 1 < args.length) ours.push(args[++i]!);
  }
  return ours;
}

/** A Xen kernel as an ELF file of one segment and its `__xen_guest` section: just what the domain builder asks for. */

const BASE = 0xc0000000, PAGE = 4096, HEADER = 52, PROGRAM_HEADER = 32, SECTION_HEADER = 40;
const CONFIG = `GUEST_OS=probe,XEN_VER=xen-3.0,VIRT_BASE=0x${BASE.toString(16)},ELF_PADDR_OFFSET=0x${BASE.toString(16)},HYPERCALL_PAGE=0x0,PAE=yes,LOADER=generic\0`;
const NAMES = "\0__xen_guest\0.names\0";

/** The image of `code`, which starts and is entered at `entry`, in the page after the hypercall page. */
export function xenImage(code: Uint8Array, entry: number): Uint8Array {
  const memory = new Uint8Array(PAGE + code.length);
  memory.set(code, entry - BASE);
  const text = new TextEncoder();
  const config = text.encode(CONFIG), names = text.encode(NAMES);
  const at = HEADER + PROGRAM_HEADER, configAt = at + memory.length, namesAt = configAt + config.length, sectionsAt = namesAt + names.length + 3 & ~3;
  const file = new Uint8Array(sectionsAt + 3 * SECTION_HEADER);
  const view = new DataView(file.buffer);
  const words = (from: number, values: readonly number[]): void => values.forEach((value, i) => view.setUint32(from + 4 * i, value, true));
  const halves = (from: number, values: readonly number[]): void => values.forEach((value, i) => view.setUint16(from + 2 * i, value, true));
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  halves(16, [2, 3]);
  words(20, [1, entry, HEADER, sectionsAt, 0]);
  halves(40, [HEADER, PROGRAM_HEADER, 1, SECTION_HEADER, 3, 2]);
  words(HEADER, [1, at, BASE, BASE, memory.length, memory.length, 7, PAGE]);
  file.set(memory, at);
  file.set(config, configAt);
  file.set(names, namesAt);
  words(sectionsAt + SECTION_HEADER, [1, 1, 0, 0, configAt, config.length, 0, 0, 1, 0]);
  words(sectionsAt + 2 * SECTION_HEADER, [13, 3, 0, 0, namesAt, names.length, 0, 0, 1, 0]);
  return file;
}

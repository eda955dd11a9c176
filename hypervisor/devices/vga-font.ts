/**
 * The characters of a text screen as dots: a drawing of five by seven for each letter, put into cells of eight by eight or
 * eight by sixteen, and code page 437's frames and shades, which are computed. Accented letters lose their accents.
 */

/** Code page 437 in Unicode: what stands below the space, and the upper half. */
const CP437_LOW = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼";
const CP437_HIGH = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ";

/** The character of a code. */
export function character(code: number): string {
  if (code >= 0x80) return CP437_HIGH[code - 0x80]!;
  if (code < 0x20) return CP437_LOW[code]!;
  return code === 0x7f ? "⌂" : String.fromCharCode(code);
}

/** Space to tilde: five columns from the left, bit 0 the top dot of seven. */
const GLYPHS = (
  "0000000000 00005f0000 0007000700 147f147f14 242a7f2a12 2313086462 3649552250 0005030000 001c224100 0041221c00 082a1c2a08 08083e0808 " +
  "0050300000 0808080808 0060600000 2010080402 3e5149453e 00427f4000 4261514946 2141454b31 1814127f10 2745454539 3c4a494930 0171090503 " +
  "3649494936 064949291e 0036360000 0056360000 0008142241 1414141414 4122140800 0201510906 324979413e 7e1111117e 7f49494936 3e41414122 " +
  "7f4141221c 7f49494941 7f09090901 3e41415132 7f0808087f 00417f4100 2040413f01 7f08142241 7f40404040 7f0204027f 7f0408107f 3e4141413e " +
  "7f09090906 3e4151215e 7f09192946 4649494931 01017f0101 3f4040403f 1f2040201f 7f2018207f 6314081463 0304780403 6151494543 007f414100 " +
  "0204081020 0041417f00 0402010204 4040404040 0001020400 2054545478 7f48444438 3844444420 384444487f 3854545418 087e090102 081454543c " +
  "7f08040478 00447d4000 2040443d00 007f102844 00417f4000 7c04180478 7c08040478 3844444438 7c14141408 081414187c 7c08040408 4854545420 " +
  "043f444020 3c4040207c 1c2040201c 3c4030403c 4428102844 0c5050503c 4464544c44 0008364100 00007f0000 0041360800 0804081008"
).split(" ");

/** What the rest is drawn as: a letter that looks like it. */
const STAND_INS: Readonly<Record<string, string>> = {
  Ç: "C", ü: "u", é: "e", â: "a", ä: "a", à: "a", å: "a", ç: "c", ê: "e", ë: "e", è: "e", ï: "i", î: "i", ì: "i", Ä: "A", Å: "A", É: "E", ô: "o", ö: "o",
  ò: "o", û: "u", ù: "u", ÿ: "y", Ö: "O", Ü: "U", á: "a", í: "i", ó: "o", ú: "u", ñ: "n", Ñ: "N", "•": "*", "►": ">", "◄": "<", "↑": "^", "↓": "v",
  "→": ">", "←": "<", "▲": "^", "▼": "v", "·": ".", "∙": ".", "«": "<", "»": ">", "≥": ">", "≤": "<", "±": "+", "≈": "~", "≡": "=", "ß": "B", "µ": "u", "°": "o",
};

/** Frames: for each, how many lines go up, down, left and right. */
const FRAMES = new Map<string, string>(Object.entries({
  "│": "1100", "┤": "1110", "╡": "1120", "╢": "2210", "╖": "0210", "╕": "0120", "╣": "2220", "║": "2200", "╗": "0220", "╝": "2020", "╜": "2010", "╛": "1020",
  "┐": "0110", "└": "1001", "┴": "1011", "┬": "0111", "├": "1101", "─": "0011", "┼": "1111", "╞": "1102", "╟": "2201", "╚": "2002", "╔": "0202", "╩": "2022",
  "╦": "0222", "╠": "2202", "═": "0022", "╬": "2222", "╧": "1022", "╨": "2011", "╤": "0122", "╥": "0211", "╙": "2001", "╘": "1002", "╒": "0102", "╓": "0201",
  "╫": "2211", "╪": "1122", "┘": "1010", "┌": "0101",
}));

/** Whether a dot of a cell is set. */
type Dots = (x: number, y: number) => boolean;

/** The dots of a character in an 8 by `height` cell. */
function drawn(c: string, height: number): Dots {
  switch (c) {
    case "█": return () => true;
    case "▄": return (_, y) => y >= height / 2;
    case "▀": return (_, y) => y < height / 2;
    case "▌": return (x) => x < 4;
    case "▐": return (x) => x >= 4;
    case "■": return (x, y) => y >= height / 4 && y < height * 3 / 4 && x >= 1 && x < 7;
    case "░": return (x, y) => (x + y * 2) % 4 === 0;
    case "▒": return (x, y) => (x + y) % 2 === 0;
    case "▓": return (x, y) => (x + y * 2) % 4 !== 0;
  }
  const lines = FRAMES.get(c);
  return lines === undefined ? letter(glyphOf(STAND_INS[c] ?? c), height) : framed(lines, height);
}

function framed(lines: string, height: number): Dots {
  const [up, down, left, right] = [...lines].map(Number) as [number, number, number, number];
  const middle = height / 2;
  const onLine = (at: number, centre: number, count: number): boolean => count === 1 ? at === centre : count === 2 && (at === centre - 1 || at === centre + 1);
  return (x, y) => {
    const vertical = (y <= middle && onLine(x, 3, up)) || (y >= middle && onLine(x, 3, down));
    const horizontal = (x <= 3 && onLine(y, middle, left)) || (x >= 3 && onLine(y, middle, right));
    return vertical || horizontal;
  };
}

/** 256 characters of `height` (8 or 16) bytes each, bit 7 the leftmost dot. */
export function font(height: 8 | 16): Uint8Array {
  const bytes = new Uint8Array(256 * height);
  for (let code = 0; code < 256; code++) {
    const dots = drawn(character(code), height);
    for (let y = 0; y < height; y++) {
      let row = 0;
      for (let x = 0; x < 8; x++) if (dots(x, y)) row |= 0x80 >>> x;
      bytes[code * height + y] = row;
    }
  }
  return bytes;
}

function glyphOf(c: string): readonly number[] {
  const text = GLYPHS[c.charCodeAt(0) - 0x20] ?? "0000000000";
  return [0, 2, 4, 6, 8].map(at => parseInt(text.slice(at, at + 2), 16));
}

/** The drawing's dot, one column in; twice as high in a cell of sixteen. */
function letter(glyph: readonly number[], height: number): Dots {
  return (x, y) => {
    const row = height === 16 ? (y - 1) >> 1 : y;
    return row >= 0 && row < 7 && ((glyph[x - 1] ?? 0) >>> row & 1) !== 0;
  };
}

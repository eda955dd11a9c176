/** Text made safe to stand in HTML and SVG. */
export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element with its attributes escaped; `children` is markup already. */
export function element(name: string, attributes: Attributes, children: string | readonly string[] = ""): string {
  const written = Object.entries(attributes).filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escape(typeof value === "number" ? tidy(value) : value!)}"`).join("");
  return `<${name}${written}>${typeof children === "string" ? children : children.join("")}</${name}>`;
}

/** A coordinate: two decimals are enough. */
function tidy(value: number): string {
  return String(Math.round(value * 100) / 100);
}

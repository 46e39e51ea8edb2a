// Words in the panel with too little contrast to what is behind them, as "words: 3.9".
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parse = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((value, i) => value * a + below[i] * (1 - a));
  const behind = (element) => {
    if (!element) return [255, 255, 255];
    const color = parse(getComputedStyle(element).backgroundColor);
    return color[3] === 1 ? color.slice(0, 3) : over(color, behind(element.parentElement));
  };
  const light = (color) => {
    const [r, g, b] = color.map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const isOff = (element) => element.closest("[aria-disabled=true], :disabled"); // 1.4.3 leaves these out
  const faint = [];
  for (const element of document.querySelectorAll(".hitl-panel, .hitl-panel *")) {
    const words = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
    const own = words || element.placeholder;
    const box = element.getBoundingClientRect();
    if (!own || box.width < 2 || !element.getClientRects().length || isOff(element)) continue;
    const back = behind(element);
    const style = getComputedStyle(element, words ? null : "::placeholder");
    const [one, two] = [light(over(parse(style.color), back)), light(back)].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (two + 0.05);
    if (contrast < 4.5) faint.push(`${own.slice(0, 40)}: ${contrast.toFixed(2)}`);
  }
  return faint;
}

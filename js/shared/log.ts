// The log of a build: what of it is on the page, search, and following its end.

/** Lines on the page at most, and while somebody reads further up, whom nothing may be taken from. */
const MOST_SHOWN = 5000;
const MOST_READ = 20000;
/** Characters of them at most: lines may be very long. */
const MOST_CHARACTERS = 4_000_000;

/** What shows a log. */
export interface Places {
  /** The element that scrolls. */
  log: HTMLElement;
  /** How many lines hold what is searched. */
  found: HTMLElement;
  /** That there are lines which are not shown. */
  earlier: HTMLElement;
}

interface Batch {
  text: Text;
  count: number;
  size: number;
}

const matching = (from: string[], wanted: string): string[] =>
  wanted ? from.filter((line) => line.toLowerCase().includes(wanted)) : from;

/** The last of `lines`, as many as may be shown. */
function tail(lines: string[]): string[] {
  let first = lines.length;
  let size = 0;
  while (first > 0 && lines.length - first < MOST_SHOWN) {
    size += lines[first - 1]?.length ?? 0;
    if (size > MOST_CHARACTERS) break;
    first--;
  }
  return lines.slice(first);
}

export class LogView {
  private readonly lines: string[] = [];
  /** What is shown, oldest first: a text for each batch that came. */
  private shown: Batch[] = [];
  private matches = 0;
  private waiting: string[] = [];
  private wanted = "";
  private isFollowing = true;

  /** `followed` is told when the reader begins or ends to follow by scrolling. */
  constructor(
    private readonly places: Places,
    private readonly followed: (isFollowing: boolean) => void,
  ) {
    // Whoever scrolls back wants to read, and whoever comes to the end wants to follow.
    const { log } = places;
    log.addEventListener("scroll", () => {
      if (log.clientHeight === 0) return; // not to be seen at all
      const isFollowing = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
      if (isFollowing === this.isFollowing) return;
      this.isFollowing = isFollowing;
      this.followed(isFollowing);
    });
  }

  /** Take one more line. */
  add(line: string): void {
    this.lines.push(line);
    if (this.waiting.push(line) === 1) requestAnimationFrame(() => this.show());
  }

  /** Show the lines that hold `wanted` alone. */
  search(wanted: string): void {
    this.wanted = wanted.toLowerCase();
    const all = matching(this.lines, this.wanted);
    this.waiting = [];
    this.shown = [];
    this.matches = all.length;
    this.places.log.replaceChildren();
    this.append(tail(all));
    this.tell();
    this.toEnd();
  }

  follow(isFollowing: boolean): void {
    this.isFollowing = isFollowing;
    this.toEnd();
  }

  /** Scroll to the end for whoever follows. */
  toEnd(): void {
    const { log } = this.places;
    if (this.isFollowing) log.scrollTop = log.scrollHeight;
  }

  /** A thousand lines that arrive at once are one change of the page, and never is more on it than a browser takes. */
  private show(): void {
    const fresh = matching(this.waiting, this.wanted);
    this.waiting = [];
    this.matches += fresh.length;
    this.append(tail(fresh));
    this.tell();
    this.toEnd();
  }

  private append(fresh: string[]): void {
    if (!fresh.length) return;
    const words = fresh.map((line) => `${line}\n`).join("");
    const text = document.createTextNode(words);
    this.places.log.append(text);
    this.shown.push({ text, count: fresh.length, size: words.length });
    const most = this.isFollowing ? MOST_SHOWN : MOST_READ;
    let count = this.count();
    let size = this.shown.reduce((sum, one) => sum + one.size, 0);
    while (this.shown.length > 1) {
      const first = this.shown[0]!;
      if (count - first.count < most && size <= MOST_CHARACTERS) break;
      first.text.remove();
      this.shown.shift();
      count -= first.count;
      size -= first.size;
    }
  }

  private count(): number {
    return this.shown.reduce((sum, one) => sum + one.count, 0);
  }

  private tell(): void {
    const { found, earlier } = this.places;
    const count = this.count();
    found.textContent = this.wanted ? `${this.matches} of ${this.lines.length} lines` : "";
    earlier.hidden = count === this.matches;
    const missing = (this.matches - count).toLocaleString("en");
    earlier.textContent = `${missing} earlier lines are not shown here: search finds them, and the download has them all.`;
  }
}

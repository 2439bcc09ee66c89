import { expect, test } from "vitest";
import { byDigest, command } from "../panel/images";
import { age, size } from "../panel/words";

test("times without a suffix are UTC, and ages have one unit", () => {
  const now = Date.parse("2026-03-01T12:00:00Z");
  const said = (time: string): string => age(time, now);
  expect(said("2026-03-01T11:59:40")).toBe("now");
  expect(said("2026-03-01T11:00:01")).toBe("59 min");
  expect(said("2026-02-28T11:00:00Z")).toBe("1 d");
  expect(said("2026-03-01T12:30:00")).toBe("now");
  expect(said("2024-01-01T00:00:00")).toBe("2 y");
});

test("sizes have the unit that leaves few digits", () => {
  expect([0, 999, 1_500, 1_500_000, 999_400_000, 1_240_000_000].map(size)).toEqual([
    "0 B",
    "999 B",
    "2 kB",
    "1.5 MB",
    "999 MB",
    "1.2 GB",
  ]);
});

const image = { image: "localhost:5000/data/course:ab12", digest: "sha256:77", tags: ["ab12"] };

test("docker is told the reference that the server says, or its digest without the tag", () => {
  expect(command(image, "run", false)).toBe("docker run -it --rm localhost:5000/data/course:ab12");
  expect(command(image, "pull", true)).toBe("docker pull localhost:5000/data/course@sha256:77");
  expect(byDigest({ ...image, image: "localhost:5000/data/course" })).toBe(
    "localhost:5000/data/course@sha256:77",
  );
  expect(command({ ...image, digest: null }, "pull", true)).toBeNull();
});

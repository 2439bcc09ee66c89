// Something of the server's that a component shows: on its way, there, or refused.
import { useCallback, useEffect, useState } from "react";

export interface Loaded<T> {
  /** What was there last; it stays while it is asked for again. */
  data: T | null;
  /** Why there is nothing newer, for people. */
  error: string;
  retry: () => void;
}

/** Ask when the component appears, and again when `question` is another one. */
export function useLoaded<T>(ask: () => Promise<T>, question: string): Loaded<T> {
  const [state, setState] = useState<{ data: T | null; error: string }>({ data: null, error: "" });
  const [tries, setTries] = useState(0);
  useEffect(() => {
    let left = false;
    const hear = (next: (last: { data: T | null }) => { data: T | null; error: string }): void => {
      if (!left) setState(next);
    };
    ask().then(
      (data) => hear(() => ({ data, error: "" })),
      (error) =>
        hear(({ data }) => ({
          data,
          error: error instanceof Error ? error.message : String(error),
        })),
    );
    return () => {
      left = true;
    };
    // `ask` is another function at each rendering; what it asks is said by `question`.
  }, [question, tries]);
  return { ...state, retry: useCallback(() => setTries((last) => last + 1), []) };
}

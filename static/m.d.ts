// Types of the snippet's one function, for projects in TypeScript: docs/snippet.md#commands
// Copy the file into the project, or name it in a `/// <reference path="…/m.d.ts" />`.

declare namespace Minamoto {
  /** What a property may be; other values are turned into text. */
  type Flat = string | number | boolean | null;

  /** Who the visitor is; at least `email` or `phone`. */
  interface Person {
    email?: string;
    phone?: string;
    name?: string;
    company?: string;
  }

  interface Command {
    /** Something that the visitor did. `name`: 100 characters at most; `props`: 20 entries at most. */
    (command: 'event', name: string, props?: Record<string, Flat>): void;
    /** Who the visitor is. */
    (command: 'identify', person: Person): void;
    /** A page view of your own making; the address and title are the page's. */
    (command: 'page'): void;
    /** What the visitor has decided. `false` deletes what is kept and sends nothing more. */
    (command: 'consent', given: boolean): void;
    /** Commands given before the script has loaded. */
    q?: ArrayLike<unknown>[];
    /** Set once the script has loaded. */
    loaded?: boolean;
  }
}

declare const minamoto: Minamoto.Command;

interface Window {
  minamoto: Minamoto.Command;
}

/** A word that may follow, and what it is. */
export interface Choice {
  readonly word: string;
  readonly about: string;
}

/** What may be written after a command: its commands and flags. */
export interface Place {
  /** Without the program: empty, `manage`, `manage token`. */
  readonly path: string;
  readonly choices: readonly Choice[];
}

/** Scripts that follow the words typed so far down the tree and offer what may come there, by shell. */
export const completionScripts: Readonly<Record<string, (places: readonly Place[]) => string>> = {
  bash(places) {
    const cases = places.map(
      ({ path, choices }) =>
        `    ${quote(path)}) words=${quote(choices.map(({ word }) => word).join(" "))} ;;\n`,
    );
    return `_llm_proxy() {
  local at="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${at:+$at }$word" in
    ${pathsOf(places).join(" | ")}) at="\${at:+$at }$word" ;;
    esac
  done
  case "$at" in
${cases.join("")}  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _llm_proxy llm-proxy
`;
  },
  zsh(places) {
    const cases = places.map(({ path, choices }) => {
      const described = choices.map(({ word, about }) => `      ${quote(`${word}:${about}`)}\n`);
      return `    ${quote(path)}) choices=(\n${described.join("")}    ) ;;\n`;
    });
    return `#compdef llm-proxy
_llm_proxy() {
  local at="" word
  local -a choices
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${at:+$at }$word" in
    ${pathsOf(places).join(" | ")}) at="\${at:+$at }$word" ;;
    esac
  done
  case "$at" in
${cases.join("")}  esac
  _describe llm-proxy choices || _files
}
if [ "$funcstack[1]" = _llm_proxy ]; then _llm_proxy "$@"; else compdef _llm_proxy llm-proxy; fi
`;
  },
  fish(places) {
    const lines = places.flatMap(({ path, choices }) =>
      choices.map(
        ({ word, about }) =>
          `complete -c llm-proxy -n ${fishQuote(`__llm_proxy_at ${path}`.trim())} ${fishChoice(word)} -d ${fishQuote(about)}\n`,
      ),
    );
    return `function __llm_proxy_at
  set -l at
  for word in (commandline -opc)[2..]
    switch (string join ' ' $at $word)
      case ${pathsOf(places).join(" ")}
        set -a at $word
    end
  end
  test "$at" = "$argv"
end
${lines.join("")}`;
  },
};

function pathsOf(places: readonly Place[]): string[] {
  return places
    .map(({ path }) => path)
    .filter((path) => path !== "")
    .map(quote);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function fishChoice(word: string): string {
  if (word.startsWith("--")) return `-l ${word.slice(2)}`;
  return word.startsWith("-") ? `-s ${word.slice(1)}` : `-f -a ${word}`;
}

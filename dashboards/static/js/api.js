// The collector's JSON API, asked with the reader's own session.

/** `{ ok, status, body, detail, errors }`: `detail` says in words what went wrong, `errors` are the fields' faults. */
export async function call(method, address, content) {
  let response;
  try {
    response = await fetch(address, {
      method,
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: content === undefined ? undefined : JSON.stringify(content),
    });
  } catch {
    return failed(0, "The collector does not answer. Nothing was changed, as far as can be told.");
  }
  const body = await response.json().catch(() => null);
  if (response.ok) return { ok: true, status: response.status, body, detail: "", errors: [] };
  if (response.status === 401) return failed(401, "You are not signed in any more: load the page again.");
  return failed(response.status, body?.detail ?? `The collector answered ${response.status}.`, body?.errors);
}

function failed(status, detail, errors = []) {
  return { ok: false, status, body: null, detail: sentence(detail), errors };
}

export function sentence(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : text;
}

export function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** Why a port cannot be listened on, for people. */
import { SinterError } from "../../../runtime/base/errors.ts";

/** The result of `listening`. Throws `input` where the port is taken, or not the user's. */
export async function withPort<Result>(port: number, listening: Promise<Result>): Promise<Result> {
  try {
    return await listening;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EADDRINUSE")
      throw new SinterError(
        "input",
        `port ${port} is taken`,
        "Choose another, --port 8081, or any that is free, --port 0",
      );
    if (code === "EACCES")
      throw new SinterError(
        "input",
        `port ${port} is not ours to use`,
        "Choose one from 1024 on: --port 8080",
      );
    throw cause;
  }
}

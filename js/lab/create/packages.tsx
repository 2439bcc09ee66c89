import type { JSX } from "react";
import type { SolvedPackage } from "./form";

const UNITS = ["Bytes", "kB", "MB", "GB", "TB"];

/** A size as the server's pages write it. */
export function inBytes(size: number): string {
  const power = size < 1000 ? 0 : Math.min(Math.floor(Math.log10(size) / 3), UNITS.length - 1);
  return power ? `${(size / 1000 ** power).toFixed(1)} ${UNITS[power]}` : `${size} Bytes`;
}

/** What would be installed. */
export function Packages({ packages }: { packages: SolvedPackage[] }): JSX.Element {
  const sorted = [...packages].sort((one, other) => (one.name < other.name ? -1 : 1));
  const size = packages.reduce((sum, one) => sum + one.size, 0);
  return (
    <>
      <h2>
        {packages.length} {packages.length === 1 ? "package" : "packages"} would be installed
      </h2>
      <p className="jp-CondaStore-quiet">{inBytes(size)} to fetch at most.</p>
      <div className="jp-CondaStore-wide" tabIndex={0} role="region" aria-label="Packages">
        <table>
          <thead>
            <tr>
              <th scope="col">Package</th>
              <th scope="col">Version</th>
              <th scope="col">Build</th>
              <th scope="col">Size</th>
            </tr>
          </thead>
          <tbody>
            {sorted.map((one) => (
              <tr key={one.name}>
                <td>{one.name}</td>
                <td>{one.version}</td>
                <td className="jp-CondaStore-quiet">{one.build}</td>
                <td>{one.size ? inBytes(one.size) : ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

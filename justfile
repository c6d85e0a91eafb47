# Daily commands for the program `just`, which lists them. Each is one line, so it can be typed as well.

# Lists the commands.
default:
    @just --list --unsorted

# Builds the program for this machine, without Kerberos.
build:
    cargo build

# Formats everything.
format:
    cargo fmt --all

# Checks form and lints, as CI does.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Runs the tests whose names hold NAME, or all that need no package.
test name="":
    cargo test --workspace {{ name }}

# Runs one file of tests: `just file delta`.
file name *arguments:
    cargo test --test {{ name }} {{ arguments }}

# Runs the tests of documents: links, variables, commands, rules.
documents:
    cargo test --test documents --test rules

# Writes the generated parts of documents anew: variables, answers of the gateway, cases of TLS.
reference:
    UPDATE_REFERENCE=1 cargo test --lib config::reference
    UPDATE_REFERENCE=1 cargo test --lib upstream::answer_table
    UPDATE_REFERENCE=1 cargo test --test tls

# Runs the service against a simulated directory and gateway.
demo:
    cargo demo

# Runs every test there is, Samba, Docker and the package included; installs what is missing, as root.
all:
    tests/run

# Runs what a change must pass.
ci:
    .ci/run

# Plays random histories, kills or foreign octets for long: `just campaign crash 1000`.
campaign *arguments:
    tests/campaign {{ arguments }}

# Builds the Debian package.
package:
    package/build

# Checks licences, sources and known advisories of the libraries.
dependencies:
    tests/dependencies

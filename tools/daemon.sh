# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The daemon among the samples, which cargo builds. To be sourced.
#   $STATE/crates   the crates that its Cargo.lock names

# need_daemon DESTINATION
need_daemon() {
	need_cargo
	cmp -s "$SRC/samples/daemon/Cargo.lock" "$STATE/crates/Cargo.lock" ||
		stage "daemon: fetch its crates" locked crates fetch_crates
	stage "daemon: build" locked daemon build_daemon "$1"
}

# Nothing else is built by cargo, so most users never need this.
need_cargo() {
	[[ -x $ROOT/usr/bin/cargo ]] ||
		stage "cargo: install into the build root" \
			locked root install_packages ca-certificates cargo
}

# How this machine reaches crates.io goes for the root too: a proxy, whom it trusts, and what cargo
# is told of it.
cargo_settings() {
	local home=$1 variable trusted
	local config=${CARGO_HOME:-$HOME/.cargo}/config.toml
	[[ ! -e $config ]] || cp "$config" "$home"
	for variable in {http,https,all,no}_proxy {HTTP,HTTPS,ALL,NO}_PROXY; do
		[[ -z ${!variable-} ]] || echo "$variable=${!variable}"
	done
	trusted=${CARGO_HTTP_CAINFO:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
	if [[ -r $trusted ]]; then
		cp "$trusted" "$home/trusted.crt"
		echo "CARGO_HTTP_CAINFO=$(inside "$home")/trusted.crt"
	fi
	echo "CARGO_HOME=$(inside "$home")"
}

# cargo compares what it fetches with the sums in Cargo.lock.
fetch_crates() {
	local home=$RUN/cargo partial=$STATE/crates.partial-$$ settings
	mkdir -p "$home" "$partial"
	mapfile -t settings < <(cargo_settings "$home")
	in_root env "${settings[@]}" cargo vendor --locked \
		--manifest-path /mnt/src/samples/daemon/Cargo.toml "$(inside "$partial")/vendor" ||
		die "cannot fetch the crates of samples/daemon from crates.io:" \
			"check the network, and that cargo fetch works there"
	cp "$SRC/samples/daemon/Cargo.lock" "$partial"
	remove "$STATE/crates"
	mv -T "$partial" "$STATE/crates"
}

# For the guest, which has no libraries.
build_daemon() {
	local target=/mnt/cache/build/daemon
	in_root env CARGO_HOME=/tmp/cargo RUSTFLAGS="-C target-feature=+crt-static" \
		cargo build --release --locked --offline --target-dir "$target" \
		--manifest-path /mnt/src/samples/daemon/Cargo.toml \
		--config 'source.crates-io.replace-with = "vendored"' \
		--config 'source.vendored.directory = "/mnt/cache/crates/vendor"'
	mkdir -p "$1"
	cp "$STATE/build/daemon/release/anchor" "$1"
}

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The only place that starts QEMU. To be sourced.
#
# A payload is a folder that the guest sees as /payload, with its command in /payload/run. A guest
# that did not end with isa-debug-exit has failed, whatever QEMU returns: a panic too returns 0.

# Lines that no sound kernel prints.
COMPLAINTS='BUG:|WARNING:|Oops|Call Trace|Kernel panic|KASAN|UBSAN|KCSAN|general protection'
COMPLAINTS+='|possible recursive|INFO: task|detected stall|soft lockup|refcount_t:'
COMPLAINTS+='|list_(add|del) corruption|ODEBUG:|non-static key|lockdep is turned off'
COMPLAINTS+='|possible circular|inconsistent lock state|suspicious RCU usage'

# What a report of a data race has to have in it to count. A kernel has others, which are no news.
# Behind a function of the module, and beside its work queue, stands the module's name. What it does
# in Rust is not watched: of that a report may only name a reader of keys, or of tables and lists
# that somebody else empties for it.
KEYRING_CODE='keyring|keyctl|[ _]keys?_|_key[+ ]|lookup_user_key'
KEYRING_CODE+='| ((alloc|free|get)_uid|find_user|(create|free)_user_ns)[+ ]'
KEYRING_CODE+='| rht_|rhashtable_|assoc_array_|rcu_do_batch'

# kernel_image KERNEL PAYLOAD
kernel_image() {
	case $1 in
	image) inside "$2/vmlinuz" ;;
	stock) inside "$STOCK/usr/lib/modules/$RELEASE/vmlinuz" ;;
	*) echo "/mnt/cache/$1/arch/x86/boot/bzImage" ;;
	esac
}

# Who watches remembers a lot.
memory() {
	if_watched "$1" 2G 1G
}

# It is slow, too: the factor by which tests wait longer.
patience() {
	if_watched "$1" 5 1
}

# complaints CONSOLE: those that count.
complaints() {
	local ours
	ours=$(foreign_races drop "$1") || ours="WARNING: the console cannot be read"
	grep -E "$COMPLAINTS" <<< "$ours" | tr -d '\r'
}

# The first one.
complaint() {
	complaints "$1" | sed -n 1p
}

# foreign_races drop|list CONSOLE: all but the reports of data races that do not count, or their
# titles.
foreign_races() {
	awk -v what="$1" -v ours="$KEYRING_CODE" '
		# A report stands between two rules.
		match($0, /=+\r?$/) && RLENGTH >= 66 {
			if (report == "") {
				report = $0
				next
			}
			foreign = report ~ /KCSAN/ && report !~ ours
			# What somebody else said meanwhile stays.
			if (foreign && what == "drop")
				gsub(/[^\n]*KCSAN[^\n]*/, "", report)
			else if (foreign && match(report, /BUG: KCSAN[^\r\n]*/))
				print substr(report, RSTART, RLENGTH)
			if (what == "drop")
				print report "\n" $0
			report = ""
			next
		}
		report != "" { report = report "\n" $0; next }
		what == "drop"
		END {
			if (what == "drop")
				print report
		}
	' "$2"
}

# qemu DIR KERNEL PAYLOAD SECONDS ACCELERATOR [APPEND...]: the second serial port is the standard
# input and output; the first one, the console, is DIR/console.log. The kernel "image" is the
# payload's own, and so are the initramfs and the disk.
qemu() {
	local dir=$1 kernel=$2 payload=$3 seconds=$4 accelerator=$5 signal=on
	local cpu memory cpus=2 more=()
	memory=$(memory "$kernel")
	shift 5
	[[ -x $ROOT/usr/bin/qemu-system-x86_64 ]] ||
		die "QEMU is missing from the build root:" \
			"remove the folder $ROOT and run this again"
	case $accelerator in
	kvm) cpu=host ;;
	# The clock counts instructions. Their number is that of a processor that is not talked out
	# of its instructions for strings.
	icount) cpu=max cpus=1 memory=2G more=(-icount "shift=0,sleep=off") ;;
	# Those are taken byte by byte, so the kernel had better not think that they are fast.
	*) cpu=max,erms=off,fsrm=off,fsrs=off ;;
	esac
	# With a thread for each processor, code that one patches while the other runs it is not
	# always translated anew in time: an int3 is hit that is no longer there. That is only for
	# what depends on processors that run at the same time.
	case $accelerator in
	icount) accelerator=tcg ;;
	tcg) accelerator=tcg,thread=single ;;
	parallel) accelerator=tcg,thread=multi ;;
	esac
	# While the kernel reads what its processor can do, KASAN takes its page tables for those of
	# four levels, whatever they are, and an interrupt at that moment for a wild access.
	cpu+=$(if_watched "$kernel" ,la57=off "")
	[[ " $* " != *" usk.shell "* ]] || signal=off
	mkdir -p "$dir"
	[[ ! -e $dir/followed ]] || more+=(-gdb "unix:$(inside "$dir")/gdb,server=on,wait=off")
	[[ $kernel != image ]] ||
		more+=(-drive "file=$(inside "$payload")/disk,if=virtio,format=raw,cache=unsafe"
			-nodefaults -vga none)
	in_root sh -euc '
		if [ -e "$2/initrd" ]; then
			cp "$2/initrd" "$1/initramfs"
		else
			/mnt/src/tools/guest/initramfs.sh > "$1/initramfs"
			cp -a "$2" /tmp/payload
			cd /tmp
			find payload | cpio --quiet -o -H newc >> "$1/initramfs"
		fi
		shift 2
		exec "$@"
	' -- "$(inside "$dir")" "$(inside "$payload")" timeout --foreground -k 5 "$seconds" \
		qemu-system-x86_64 -accel "$accelerator" -cpu "$cpu" -smp "$cpus" \
		"${more[@]}" -m "$memory" -nic none -display none -monitor none -no-reboot \
		-qmp "unix:$(inside "$dir")/monitor,server=on,wait=off" \
		-device isa-debug-exit,iobase=0xf4,iosize=4 \
		-serial "file:$(inside "$dir")/console.log" \
		-chardev "stdio,id=tty,signal=$signal" -serial chardev:tty \
		-kernel "$(kernel_image "$kernel" "$payload")" \
		-initrd "$(inside "$dir")/initramfs" \
		-append "console=ttyS0 loglevel=6 panic=-1 oops=panic log_buf_len=4M $*"
}

# Run a guest, its output to the standard output; DIR/status says "ok", or how it ended instead. If
# there is a pipe DIR/answers, it is the guest's input; and with a file DIR/followed, the socket
# DIR/gdb is QEMU's stub for debuggers. A kernel that complains before it runs anything is booted
# again; the console of that is kept.
vm() {
	local status complaint boot input=/dev/null
	[[ ! -p $1/answers ]] || input=$1/answers
	# In a kernel that is unfit nothing has been run.
	for boot in 1 2 3; do
		status=0
		# Opened for both, which waits for nobody.
		qemu "$@" <> "$input" || status=$?
		((status == 65)) || break
		cp "$1/console.log" "$1/console-unfit-$boot.log"
	done
	rm -f "$1"/{initramfs,monitor,answers,gdb}
	complaint=$(complaint "$1/console.log") || true
	complaint=${complaint:+complained: $complaint}
	case $status in
	33)
		echo "${complaint:-ok}" ;;
	65)
		echo "unfit: the kernel was tainted when it had booted, $boot times in a row" ;;
	3[579] | 4[13579] | 5[13579] | 6[13])
		echo "failed: its command returned $(((status - 33) / 2))" ;;
	124 | 137)
		echo "hung: it did not end within $4 seconds" ;;
	*)
		echo "died: it ended without a word (QEMU returned $status)" ;;
	esac > "$1/status"
}

# What went wrong in a guest: one line, then the end of its console.
explain_guest() {
	local dir=$1
	echo "error: the guest $(< "$dir/status");" \
		"the end of its console follows, look there for the cause" >&2
	tail -n 25 "$dir/console.log" | tr -d '\r'
}

# KVM can be there, make a guest, and hang it. Only a guest that came back is a proof; it holds
# until the machine boots again.
choose_accelerator() {
	local boot known payload=$RUN/probe/payload
	[[ $ACCEL = auto ]] || return 0
	boot=$(< /proc/sys/kernel/random/boot_id)
	known=$(cat "$STATE/accelerator" 2>/dev/null) || known=
	if [[ $known != "$boot "* ]]; then
		ACCEL=tcg
		if [[ -w /dev/kvm ]]; then
			mkdir -p "$payload"
			ln -s /bin/true "$payload/run"
			stage "KVM: probe" vm "$RUN/probe" stock "$payload" 10 kvm
			[[ $(< "$RUN/probe/status") != ok ]] || ACCEL=kvm
		fi
		echo "$boot $ACCEL" > "$STATE/accelerator"
	fi
	ACCEL=$(cut -d ' ' -f 2 "$STATE/accelerator")
}

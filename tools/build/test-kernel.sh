#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test-kernel.sh: the kernel build from end to end (kernel.sh) with a stand-in
# for the kernel tree whose Makefile "builds" by copying: own trees, what is
# built again after which edit, messages, the lock.

. "$(dirname "$0")/test-lib.sh"

# A kernel tree with as much of Kbuild's face as kernel.sh uses. Its bzImage is
# all C files, its .config what the fragments asked for and Kconfig knows.
make_tree() {
	mkdir -p "$1/scripts/kconfig" "$1/arch/x86"
	printf 'VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\n' > "$1/Makefile"
	cat >> "$1/Makefile" <<'END'
rustavailable: ; @true
allnoconfig: ; @: > $(O)/.config
olddefconfig: ; @sed 's/=.*//;s/^.* //' Kconfig | sort -u > $(O)/known; \
	grep -wF -f $(O)/known $(O)/.config > $(O)/.config.ok || true; mv $(O)/.config.ok $(O)/.config
modules:
bzImage: $(O)/arch/x86/boot/bzImage
$(O)/arch/x86/boot/bzImage: $(wildcard arch/x86/*.c arch/x86/slaunch/*.c) $(O)/.config arch/x86/Kbuild $(O)/list
	@echo "  LD      bzImage"
	@! grep -n BROKEN $(filter %.c,$^) || { echo "x.c:1: error: BROKEN"; false; }
	@mkdir -p $(@D); cat $(filter %.c,$^) > $@; touch $(O)/vmlinux $(O)/System.map
$(O)/list: FORCE
	@echo $(wildcard arch/x86/slaunch/*.c) > $@.new; cmp -s $@.new $@ || cp $@.new $@
FORCE:
END
	echo "obj-y := a.o" > "$1/arch/x86/Kbuild"
	echo "int a;" > "$1/arch/x86/a.c"
	touch "$1/Kbuild" "$1/COPYING"
	printf 'CONFIG_A=y\nCONFIG_B=y\n' > "$1/Kconfig"
	# Of several fragments the last one wins.
	cat > "$1/scripts/kconfig/merge_config.sh" <<'END'
#!/bin/sh
shift 3; out=$1; shift
awk '/^# CONFIG_/ { delete v[$2] } /^CONFIG_/ { v[substr($0, 1, index($0, "=") - 1)] = $0 }
	END { for (s in v) print v[s] }' "$@" | sort > "$out.t"
mv "$out.t" "$out"
END
	printf '#!/bin/sh\ncase $1 in rustc) echo ${TEST_RUSTC_MIN:-1.0.0} ;; bindgen) echo ${TEST_BINDGEN_MIN:-0.1.0} ;; esac\n' \
		> "$1/scripts/min-tool-version.sh"
	chmod +x "$1"/scripts/*.sh "$1"/scripts/kconfig/*.sh
}

# tool NAME TEXT: a program that only tells its version.
tool() {
	printf '#!/bin/sh\necho "%s"\n' "$2" > "$T/cache/cargo/bin/$1"
	chmod +x "$T/cache/cargo/bin/$1"
}

make_fixture() {
	make_tree "$T/linux"
	mkdir -p "$T/repo/arch/x86/slaunch" "$T/repo/hooks/arch/x86" "$T/repo/samples/slaunch" "$T/cache/cargo/bin" \
		"$T/rust/lib/rustlib/src/rust/library/core/src"
	touch "$T/rust/lib/rustlib/src/rust/library/core/src/lib.rs"
	echo CONFIG_A=y > "$T/repo/samples/slaunch/qemu.config"
	printf '# CONFIG_A is not set\nCONFIG_B=y\n' > "$T/repo/samples/slaunch/qemu-other.config"
	echo "int s;" > "$T/repo/arch/x86/slaunch/s.c"
	printf '%s\n' '--- a/arch/x86/Kbuild' '+++ b/arch/x86/Kbuild' '@@ -1 +1,2 @@' ' obj-y := a.o' '+obj-y += slaunch/' \
		> "$T/repo/hooks/arch/x86/Kbuild.patch"
	tool bindgen "bindgen 0.72.1"
	tool clang-19 "clang 19"
	tool ld.lld-19 "lld 19"
	cat > "$T/cache/cargo/bin/rustc" <<-END
		#!/bin/sh
		if [ "\$1" = --print ]; then echo "$T/rust"; else echo "rustc \$(cat "$T/rustc-version")"; fi
	END
	chmod +x "$T/cache/cargo/bin/rustc"
	echo 1.96.0 > "$T/rustc-version"
}

build() {
	env REPO="${1:-$T/repo}" OUT="${2:-$T/out}" SLAUNCH_CACHE="$T/cache" RUSTC="$T/cache/cargo/bin/rustc" \
		KERNEL_SRC="$T/linux" KERNEL_CONFIG= "$SCRIPTS/kernel.sh" > "$T/log" 2>&1
}

variant() {
	KERNEL_VARIANT=${1:-other} build
}

tree() {
	echo "$T"/cache/tree/dir-*
}

test_builds_and_hands_out() {
	make_fixture
	cp -a "$T/linux" "$T/before"
	build
	printf 'int a;\nint s;\n' | cmp - "$T/out/kernel/bzImage"
	expect "$T/out/kernel/.config" CONFIG_A=y
	[ -e "$T/out/kernel/vmlinux" ] && [ -e "$T/out/kernel/System.map" ]
	diff -r "$T/before" "$T/linux" > "$T/diff" || fail "KERNEL_SRC was changed"
}

test_second_build_does_nothing() {
	make_fixture
	build
	local image out
	image=$(stamp "$(tree)/build/arch/x86/boot/bzImage")
	out=$(stamp "$T/out/kernel/bzImage")
	build
	[ "$image" = "$(stamp "$(tree)/build/arch/x86/boot/bzImage")" ] || fail "built again"
	[ "$out" = "$(stamp "$T/out/kernel/bzImage")" ] || fail "copied again"
	reject "$T/log" "  LD "
}

test_second_checkout_shares_the_objects() {
	make_fixture
	build
	cp -r "$T/repo" "$T/repo2"
	build "$T/repo2" "$T/out2"
	reject "$T/log" "  LD "
	cmp "$T/out/kernel/bzImage" "$T/out2/kernel/bzImage"
	echo "int t;" > "$T/repo2/arch/x86/slaunch/t.c"
	build "$T/repo2" "$T/out2"
	expect "$T/out2/kernel/bzImage" "int t;"
	build
	reject "$T/out/kernel/bzImage" "int t;"
}

test_follows_the_own_tree() {
	make_fixture
	build
	echo "int a2;" > "$T/linux/arch/x86/a.c"
	touch -d "2001-01-01" "$T/linux/arch/x86/a.c"
	build
	printf 'int a2;\nint s;\n' | cmp - "$T/out/kernel/bzImage"
	echo "int b;" > "$T/linux/arch/x86/b.c"
	build
	expect "$T/out/kernel/bzImage" "int b;"
	rm "$T/linux/arch/x86/b.c"
	build
	[ ! -e "$(tree)/src/arch/x86/b.c" ] || fail "b.c is still there"
}

test_hooked_file_changed_in_the_own_tree() {
	make_fixture
	build
	printf 'obj-y := a.o\nobj-y += b.o\n' > "$T/linux/arch/x86/Kbuild"
	build
	expect "$(tree)/src/arch/x86/Kbuild" "obj-y += b.o"
	expect "$(tree)/src/arch/x86/Kbuild" "obj-y += slaunch/"
	rm "$T/repo/hooks/arch/x86/Kbuild.patch"
	build
	cmp "$T/linux/arch/x86/Kbuild" "$(tree)/src/arch/x86/Kbuild"
}

test_own_tree_under_git() {
	make_fixture
	git -C "$T/linux" init -q
	echo '*.o' > "$T/linux/.gitignore"
	touch "$T/linux/left-over.o"
	git -C "$T/linux" add -A
	build
	[ ! -e "$(tree)/src/left-over.o" ] || fail "an ignored file was copied"
	[ ! -e "$(tree)/src/.git" ] || fail ".git was copied"
	expect "$T/out/kernel/bzImage" "int s;"
}

test_hook_that_does_not_apply_is_named() {
	make_fixture
	sed -i 's/^ obj-y/-obj-n/' "$T/repo/hooks/arch/x86/Kbuild.patch"
	if build; then fail "built"; fi
	expect "$T/log" "hooks/arch/x86/Kbuild.patch"
	expect "$T/log" "KERNEL_SRC="
}

test_other_kernel_version_is_warned_of() {
	make_fixture
	sed -i 's/PATCHLEVEL = 3/PATCHLEVEL = 9/' "$T/linux/Makefile"
	build
	expect "$T/log" "is Linux 7.9.4, this repository is made for 7.3"
}

test_config_symbol_without_effect() {
	make_fixture
	echo CONFIG_NO_SUCH=y >> "$T/repo/samples/slaunch/qemu.config"
	if build; then fail "built"; fi
	expect "$T/log" "CONFIG_NO_SUCH=y (is n)"
	sed -i '$d' "$T/repo/samples/slaunch/qemu.config"
	build
}

test_config_edit_takes_effect() {
	make_fixture
	build
	echo CONFIG_B=y >> "$T/repo/samples/slaunch/qemu.config"
	build
	expect "$T/out/kernel/.config" CONFIG_B=y
}

test_old_bindgen() {
	make_fixture
	if TEST_BINDGEN_MIN=0.99.0 build; then fail "built"; fi
	expect "$T/log" "bindgen 0.72.1 is too old: Linux 7.3.4 needs at least 0.99.0"
	expect "$T/log" "cargo install"
}

test_old_rustc() {
	make_fixture
	if TEST_RUSTC_MIN=1.99.0 build; then fail "built"; fi
	expect "$T/log" "rustc 1.96.0 is too old: Linux 7.3.4 needs at least 1.99.0"
}

test_new_compiler_starts_from_scratch() {
	make_fixture
	build
	touch "$(tree)/build/old-object"
	echo 1.97.0 > "$T/rustc-version"
	build
	[ ! -e "$(tree)/build/old-object" ] || fail "an object of the old compiler is still there"
	expect "$T/log" "the compilers have changed"
}

test_compile_error() {
	make_fixture
	echo BROKEN > "$T/repo/arch/x86/slaunch/s.c"
	if build; then fail "built"; fi
	expect "$T/log" "error: the kernel build failed: "
	echo "int s;" > "$T/repo/arch/x86/slaunch/s.c"
	build
}

test_variant_beside_the_first_kernel() {
	make_fixture
	build
	local image out
	image=$(stamp "$(tree)/build/arch/x86/boot/bzImage")
	out=$(stamp "$T/out/kernel/bzImage")
	variant
	expect "$T/out/kernel-other/.config" CONFIG_B=y
	reject "$T/out/kernel-other/.config" CONFIG_A=y
	expect "$T/out/kernel-other/bzImage" "int s;"
	[ "$(readlink -f "$T/out/kernel-other/source")" = "$(readlink -f "$(tree)/src")" ]
	build
	expect "$T/out/kernel/.config" CONFIG_A=y
	[ "$image" = "$(stamp "$(tree)/build/arch/x86/boot/bzImage")" ] || fail "first kernel built again"
	[ "$out" = "$(stamp "$T/out/kernel/bzImage")" ] || fail "first kernel copied again"
}

test_variant_starts_from_the_first_kernels_objects() {
	make_fixture
	build
	touch "$(tree)/build/some-object"
	variant
	[ -e "$(tree)/build-other/some-object" ] || fail "the objects were not copied"
	[ ! -e "$(tree)/build-other.new" ]
	rm "$(tree)/build-other/some-object"
	variant
	[ ! -e "$(tree)/build-other/some-object" ] || fail "copied again"
	reject "$T/log" "  LD "
}

test_variant_alone_is_built_from_nothing() {
	make_fixture
	variant
	expect "$T/out/kernel-other/bzImage" "int s;"
	[ ! -e "$T/out/kernel" ] || fail "there is a first kernel"
}

test_variant_follows_the_source_and_the_compiler() {
	make_fixture
	build
	variant
	echo "int t;" > "$T/repo/arch/x86/slaunch/t.c"
	variant
	expect "$T/out/kernel-other/bzImage" "int t;"
	touch "$(tree)/build-other/old-object"
	echo 1.97.0 > "$T/rustc-version"
	build
	variant
	[ ! -e "$(tree)/build-other/old-object" ] || fail "an object of the old compiler is still there"
	expect "$T/log" "CLONE"
}

test_variant_cut_short_while_copying() {
	make_fixture
	build
	mkdir -p "$(tree)/build-other.new"
	touch "$(tree)/build-other.new/half"
	variant
	[ ! -e "$(tree)/build-other/half" ] || fail "half a copy was used"
	expect "$T/out/kernel-other/bzImage" "int s;"
}

test_variant_without_a_fragment_is_named() {
	make_fixture
	if variant nosuch; then fail "built"; fi
	expect "$T/log" "no configuration fragment"
	expect "$T/log" "qemu-nosuch.config"
}

test_two_builds_exclude_each_other() {
	make_fixture
	mkfifo "$T/ready"
	(exec 9>> "$T/cache/kernel.lock"; flock 9; echo > "$T/ready"; sleep 1; echo free >> "$T/order") &
	read -r < "$T/ready"
	build
	echo built >> "$T/order"
	wait
	expect "$T/log" "another kernel build is running"
	[ "$(tr '\n' ' ' < "$T/order")" = "free built " ] || fail "did not wait: $(cat "$T/order")"
}

test_not_a_kernel_tree() {
	make_fixture
	rm "$T/linux/Kbuild"
	if build; then fail "built"; fi
	expect "$T/log" "is not a kernel source tree"
}

run_tests

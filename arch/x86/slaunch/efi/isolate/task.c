// SPDX-License-Identifier: GPL-2.0
/*
 * The task in which firmware runs in user mode, and its address space. It has
 * nothing but memory: no files, no capabilities, no system calls.
 *
 * Here is what takes macros, inline functions and structures of the kernel.
 * What is to be done is decided in Rust.
 */
#include <linux/binfmts.h>
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/efi.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/oom.h>
#include <linux/prctl.h>
#include <linux/ptrace.h>
#include <linux/reboot.h>
#include <linux/rseq.h>
#include <linux/sched/exec_state.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/signal.h>
#include <linux/slab.h>
#include <linux/slaunch.h>
#include <linux/thread_info.h>
#include <linux/user_namespace.h>

#include <asm/fpu/signal.h>
#include <asm/insn-eval.h>
#include <asm/ptrace.h>

#include "insn.h"
#include "task.h"

/* The task. What is left of it stays, once it has ended. */
struct task_struct *slaunch_efi_task;

/* There is a call to be made; a call is over, or the task is. */
static DECLARE_COMPLETION(request);
static DECLARE_COMPLETION(answer);

/* Everything is mapped from the beginning. */
static vm_fault_t no_more(const struct vm_special_mapping *sm,
			  struct vm_area_struct *vma, struct vm_fault *vmf)
{
	return VM_FAULT_SIGSEGV;
}

static const struct vm_special_mapping mapping = {
	.name = "[efi]",
	.fault = no_more,
};

struct mm_struct *slaunch_efi_mm(void)
{
	return mm_alloc();
}

void slaunch_efi_mm_put(struct mm_struct *mm)
{
	mmput(mm);
}

void *slaunch_efi_pages(size_t size)
{
	return alloc_pages_exact(size, GFP_KERNEL | __GFP_ZERO);
}

void slaunch_efi_pages_free(void *pages, size_t size)
{
	free_pages_exact(pages, size);
}

/* Map a range. It is shared, so that a write does not copy a page. */
int slaunch_efi_map(struct mm_struct *mm, unsigned long start,
		    unsigned long size, phys_addr_t phys, u32 flags)
{
	vm_flags_t vm = VM_READ | VM_SHARED | VM_IO | VM_PFNMAP | VM_DONTEXPAND |
			VM_DONTDUMP | VM_DONTCOPY;
	struct vm_area_struct *vma;
	pgprot_t prot;
	int err;

	if (flags & SLAUNCH_MAP_WRITE)
		vm |= VM_WRITE;
	if (flags & SLAUNCH_MAP_EXEC)
		vm |= VM_EXEC;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	vma = _install_special_mapping(mm, start, size, vm, &mapping);
	if (IS_ERR(vma)) {
		mmap_write_unlock(mm);
		return PTR_ERR(vma);
	}
	prot = vma->vm_page_prot;
	if (flags & SLAUNCH_MAP_FIRMWARE)
		prot = pgprot_decrypted(prot);
	if (flags & SLAUNCH_MAP_UNCACHED)
		prot = pgprot_noncached(prot);
	err = remap_pfn_range(vma, start, PHYS_PFN(phys), size, prot);
	mmap_write_unlock(mm);
	return err;
}

/* Unmap it again, in a kernel thread: the kernel does that in the present @mm. */
int slaunch_efi_unmap(struct mm_struct *mm, unsigned long start,
		      unsigned long size)
{
	int err = -EINTR;

	if (!(current->flags & PF_KTHREAD) || current->mm)
		return -EINVAL;
	kthread_use_mm(mm);
	if (!mmap_write_lock_killable(mm)) {
		err = do_munmap(mm, start, size, NULL);
		mmap_write_unlock(mm);
	}
	kthread_unuse_mm(mm);
	return err;
}

/* Nothing that a task may do, and nobody who may do anything to it. */
static int strip(void)
{
	struct cred *cred = prepare_kernel_cred(&init_task);
	struct rlimit none = {};
	sigset_t all;

	if (!cred)
		return -ENOMEM;
	cap_clear(cred->cap_inheritable);
	cap_clear(cred->cap_permitted);
	cap_clear(cred->cap_effective);
	cap_clear(cred->cap_bset);
	cap_clear(cred->cap_ambient);
	commit_creds(cred);
	task_set_no_new_privs(current);

	sigfillset(&all);
	set_current_blocked(&all);
	spin_lock_irq(&current->sighand->siglock);
	flush_signal_handlers(current, 1);
	current->signal->flags |= SIGNAL_UNKILLABLE;
	current->signal->oom_score_adj = OOM_SCORE_ADJ_MIN;
	current->signal->oom_score_adj_min = OOM_SCORE_ADJ_MIN;
	spin_unlock_irq(&current->sighand->siglock);
	task_lock(current->group_leader);
	current->signal->rlim[RLIMIT_CORE] = none;
	task_unlock(current->group_leader);
	current->flags |= PF_NOFREEZE;
	set_user_nice(current, 0);

	/* Where that is a choice. Elsewhere it is so anyway, or there is no need. */
	arch_prctl_spec_ctrl_set(current, PR_SPEC_INDIRECT_BRANCH,
				 PR_SPEC_FORCE_DISABLE);
	arch_prctl_spec_ctrl_set(current, PR_SPEC_STORE_BYPASS,
				 PR_SPEC_FORCE_DISABLE);
	return 0;
}

/*
 * A system call ends the task, before it is looked at
 * (syscall_trace_enter()). This is what leads there, and nobody would do it then
 * either.
 */
static void no_system_calls(void)
{
	set_task_syscall_work(current, SYSCALL_EMU);
}

/* Make @mm the address space of the present task, as execve() does. */
static int adopt(struct mm_struct *mm)
{
	struct linux_binprm *bprm = kzalloc_obj(*bprm);
	int err;

	if (!bprm)
		return -ENOMEM;
	bprm->mm = mm;
	bprm->user_ns = &init_user_ns;
	sched_mm_cid_before_execve(current);
	err = exec_mmap(bprm);
	if (!err)
		up_write(&current->signal->exec_update_lock);
	sched_mm_cid_after_execve(current);
	kfree(bprm);
	if (err)
		return err;
	mm->task_size = TASK_SIZE;
	task_exec_state_set_dumpable(TASK_DUMPABLE_OFF);
	flush_thread();
	return 0;
}

static int task(void *mm)
{
	int err = strip();

	if (!err)
		err = adopt(mm);
	if (err) {
		complete(&answer);
		do_exit(SIGKILL);
	}
	no_system_calls();

	/* Its end is an answer too; its stack says how it came to that. */
	try_get_task_stack(current);
	get_task_struct(current);
	task_lock(current);
	current->vfork_done = &answer;
	task_unlock(current);
	/* After all of the above. With slaunch_efi_start(). */
	smp_store_release(&slaunch_efi_task, current);
	complete(&answer);
	if (!slaunch_efi_begin(current_pt_regs()))
		do_exit(SIGKILL);
	/* To user mode. */
	return 0;
}

/*
 * Start the task in @mm, which the caller still has to put. Not in a thread that
 * has an address space.
 */
int slaunch_efi_start(struct mm_struct *mm)
{
	struct kernel_clone_args args = {
		/* The parent ignores it: nothing is left to be waited for. */
		.flags = CLONE_PARENT | CLONE_UNTRACED,
		.exit_signal = SIGCHLD,
		.fn = task,
		.fn_arg = mm,
		.name = "efi",
		.no_files = 1,
	};
	pid_t pid;

	if (current->mm)
		return -EINVAL;
	reinit_completion(&answer);
	mmget(mm);
	pid = kernel_clone(&args);
	if (pid >= 0) {
		wait_for_completion(&answer);
		/* With the store in task(). */
		if (smp_load_acquire(&slaunch_efi_task))
			return 0;
	}
	mmput(mm);
	return pid < 0 ? pid : -ECHILD;
}

/* Have the task make a call. False if it takes longer than @ms. */
bool slaunch_efi_run(u32 ms)
{
	reinit_completion(&answer);
	complete_on_current_cpu(&request);
	return wait_for_completion_timeout(&answer, msecs_to_jiffies(ms));
}

/* End the task. False if it takes its time. */
bool slaunch_efi_kill(void)
{
	send_sig(SIGKILL, slaunch_efi_task, 1);
	return wait_for_completion_timeout(&answer, 10 * HZ);
}

/* Whether it is on its way out, and past any instruction of firmware. */
bool slaunch_efi_gone(void)
{
	return !slaunch_efi_task || READ_ONCE(slaunch_efi_task->flags) & PF_EXITING;
}

/* How the task has come to its end. */
void slaunch_efi_ended(struct slaunch_efi_end *end)
{
	const struct task_struct *task = slaunch_efi_task;

	end->signal = READ_ONCE(task->exit_code) & 0x7f;
	end->vector = task->thread.trap_nr;
	end->code = task->thread.error_code;
	end->address = task->thread.cr2;
	end->ip = task_pt_regs(task)->ip;
}

/* Wait for a call to be made. False if the task is to end. */
bool slaunch_efi_next(void)
{
	return !wait_for_completion_state(&request, TASK_KILLABLE | TASK_NOLOAD);
}

void slaunch_efi_answer(void)
{
	complete_on_current_cpu(&answer);
}

/* Let firmware begin at @ip, with everything else as it is in the beginning. */
void slaunch_efi_go(struct pt_regs *regs, u64 ip, u64 sp, const u64 args[4])
{
	fpu__clear_user_states(x86_task_fpu(current));
	regs->ax = 0;
	regs->bx = 0;
	regs->cx = args[0];
	regs->dx = args[1];
	regs->si = 0;
	regs->di = 0;
	regs->bp = 0;
	regs->r8 = args[2];
	regs->r9 = args[3];
	regs->r10 = 0;
	regs->r11 = 0;
	regs->r12 = 0;
	regs->r13 = 0;
	regs->r14 = 0;
	regs->r15 = 0;
	regs->orig_ax = -1;
	start_thread(regs, ip, sp);
}

/* Firmware looks for a capsule only after a reset that it has done itself. */
static int restart(struct sys_off_data *data)
{
	int kind;

	if (efi_capsule_pending(&kind))
		slaunch_efi_reset(kind);
	return NOTIFY_DONE;
}

int slaunch_efi_watch_restart(void)
{
	return PTR_ERR_OR_ZERO(register_sys_off_handler(SYS_OFF_MODE_RESTART_PREPARE,
							SYS_OFF_PRIO_DEFAULT,
							restart, NULL));
}

/* The instruction that has trapped. */
bool slaunch_efi_decode(struct pt_regs *regs, struct slaunch_efi_insn *to)
{
	unsigned char bytes[MAX_INSN_SIZE];
	struct insn insn;
	int count;

	count = insn_fetch_from_user(regs, bytes);
	if (count <= 0 || !insn_decode_from_regs(&insn, regs, bytes, count))
		return false;
	slaunch_efi_take_insn(to, &insn);
	return true;
}

/* A general protection fault in user mode. False if it is not ours. */
bool __slaunch_efi_trap(struct pt_regs *regs)
{
	if (current != slaunch_efi_task)
		return false;
	if (!slaunch_efi_trapped(regs))
		force_exit_sig(SIGKILL);
	return true;
}

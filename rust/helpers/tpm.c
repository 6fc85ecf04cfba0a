// SPDX-License-Identifier: GPL-2.0

#include <linux/acpi.h>

#ifdef CONFIG_ACPI
__rust_helper acpi_handle rust_helper_ACPI_HANDLE(struct device *dev)
{
	return ACPI_HANDLE(dev);
}

__rust_helper void rust_helper_acpi_os_free(void *memory)
{
	acpi_os_free(memory);
}
#endif

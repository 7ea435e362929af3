package health

import (
	"plugtone/store"
	"plugtone/store/events"
	"plugtone/store/leases"
	"plugtone/store/records"
)

// DamageAdvice returns what the operator should do about damage.
func DamageAdvice(x store.Damage) string {
	switch {
	case x.Kind == store.Restored:
		return "nothing has to be done"
	case x.Kind == store.NoKey:
		return "without it, restore a backup whose key you have, or enter the records again in an empty data directory"
	case x.File == records.FileName:
		return "compare the devices with what should be there, or stop plugtone and restore a backup with \"plugtone restore\""
	case x.File == events.FileName && x.Kind == store.Unreadable:
		return "check the disk and the file's permissions, then restart plugtone"
	case x.File == events.FileName:
		return "check the disk; nothing has to be entered again"
	case x.File == leases.FileName, x.File == leases.LogName:
		return "check the disk; phones keep their addresses"
	}
	return "check the disk"
}

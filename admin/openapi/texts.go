package openapi

// text is what an operation does beyond its summary.
type text struct {
	description string
	conflict    string // when 409 is answered; empty: never
}

const (
	page    = "The list comes in pages: pass next_cursor as cursor to read the next one."
	secrets = "Secrets are left out unless reveal is set, which is noted in the audit log."
	put     = "Members that are absent get their defaults, except secrets, which are kept; null clears one. A repeated request makes no new revision."
	patch   = "Members that are absent stay, null clears one. 404 when there is no such record."
)

// texts are the texts of the operations by operationId.
var texts = map[string]text{
	"list-devices":  {description: "Each device has its status, and the list its length. A page is short only at the end of the list. Devices that do not change while pages are read are neither skipped nor repeated. " + page},
	"count-devices": {description: "The values that most devices have come first, 1000 of each kind at most. The parameters that select devices are those of the list."},
	"post-device": {description: "The body names the MAC. Members that are absent get their defaults.",
		conflict: "The MAC has a device already."},
	"get-device":    {description: secrets},
	"put-device":    {description: put},
	"patch-device":  {description: patch},
	"delete-device": {description: "The phone keeps its lease and is listed as discovered when it is seen again."},
	"list-device-files": {description: "The files are rendered as if the phone requested them now, in the order in which it does. " +
		"Files that would not be served are listed with the reason."},
	"get-device-file": {description: "The headers Plugtone-Outcome, -Reason, -Digest, -Size, -Masked and -Media-Type describe the real file. " +
		"204 is the answer for a file that phones do without. " + secrets},
	"get-device-diff":    {description: "Each file is compared by its SHA-256. The lines that differ are computed from the records at the time of the fetch, as far as changes are kept."},
	"get-device-history": {description: "Each revision has the members that changed. Revisions of a deleted device are listed too, as far as they are kept. Secrets are left out."},
	"post-device-rollback": {description: "The old revision is written as a new one. It is checked like any change: an extension may have been deleted since. " +
		"404 when the revision is not kept."},
	"apply": {description: "The body is a document with lists of records, or a table with one phone a row. Members that a record leaves out stay, null clears one. " +
		"All records are stored in one change, or none: every faulty row is named. The tables of FusionPBX, FS PBX and Yeastar are recognised by their columns.",
		conflict: "Prune would remove more than a tenth of the records of a kind; yes confirms it."},
	"change-devices": {description: "All devices are changed in one change, or none. An unknown MAC is an error."},
	"export":         {description: "A document of all records, or a table of the devices. Secrets are left out unless reveal is set, which is noted in the audit log; applied to the records that it was made of, it changes nothing."},

	"list-changes": {description: "A change is one write, of one record or ten thousand. " + page},
	"get-change":   {description: "Each record is shown by the members that differ. 404 when the change is not kept any more."},
	"undo-change": {description: "The records are set back in one change of its own, which can be undone too. The phones' own credentials stay. With force, records that were changed since are overwritten.",
		conflict: "Records were changed since, and they are listed; or nothing is left to undo."},
	"copy-device": {description: "The copy has what is not of one phone alone: model, profile, keys, settings, contacts, location and tags. It has no lines but those named.",
		conflict: "The MAC has a device already."},
	"swap-devices": {description: "Each phone keeps its MAC addresses, vendor, model, serial number and credentials, and takes all else from the other: lines, keys, settings, profile, reserved address, label.",
		conflict: "A phone is disabled or comes from a PBX source, or something would be lost, which is listed; yes goes on."},
	"replace-device": {description: "The new phone takes lines, keys, settings, reserved address and profile. The old one is disabled: if it proves itself, it gets a file that clears its accounts and has no secrets.",
		conflict: "The new phone has lines of its own, a phone comes from a PBX source, or something would be lost, which is listed; yes goes on."},
	"fill-keys": {description: "All phones are changed in one change, or none. A profile that is named gets the keys itself; phones leave out what their model has no place for. The labels follow the display names of the extensions.",
		conflict: "A phone comes from a PBX source."},
	"get-extension-history": {description: "Each revision has the members that changed. Revisions of a deleted extension are listed too when the registrar is named, as far as they are kept."},
	"get-registrar-history": {description: "Each revision has the members that changed."},
	"get-profile-history":   {description: "Each revision has the members that changed."},

	"resync":        {description: "A job notifies the phones one after the other and waits for the fetch of each; the answer comes at once. Without a job in it no phone was selected."},
	"resync-device": {description: "The answer comes at once; the job goes on."},
	"list-jobs":     {description: "The last 100 jobs are kept."},
	"get-job":       {description: "404 when the job is not kept any more."},
	"stop-job":      {description: "Phones that are not notified yet are skipped. A job that has ended stays as it is."},

	"list-pbx": {description: "A source that was never synced has no times."},
	"test-pbx": {description: "The first problems are listed. 502 when the PBX can't be read."},
	"sync-pbx": {description: "Extensions, and devices and profiles where the source takes them, are added, changed, or marked gone, in one change. What can't be used is in problems. 502 when the PBX can't be read.",
		conflict: "More than a tenth of the source's extensions, devices, or profiles in use would be gone."},
	"push-pbx": {description: "For PBXs whose database can't be reached: plugtone pbx push runs on the PBX. A token with the role push can call this operation and no other.",
		conflict: "More than a tenth of the source's extensions, devices, or profiles in use would be gone."},

	"get-device-timeline": {description: "A MAC without a device record has a timeline too. The diagnosis rests on the whole timeline, the record, the leases and the last fetches, however many entries are requested."},

	"list-extensions": {description: page},
	"get-extension":   {description: secrets, conflict: "Two registrars have the number; use NUMBER@REGISTRAR."},
	"put-extension":   {description: put, conflict: "Two registrars have the number; use NUMBER@REGISTRAR or name the registrar."},
	"patch-extension": {description: patch + " Another registrar moves the extension and the lines that use it.",
		conflict: "Two registrars have the number; use NUMBER@REGISTRAR."},
	"delete-extension": {description: "With force, the lines that use it are removed too.",
		conflict: "Devices use it, and they are listed; or two registrars have the number."},

	"list-registrars": {description: page},
	"get-registrar":   {description: secrets},
	"put-registrar":   {description: put},
	"patch-registrar": {description: patch},
	"delete-registrar": {description: "With force, its extensions stay without a registrar, and phones get no account for them until they are moved.",
		conflict: "Extensions use it, and they are listed."},

	"list-profiles":  {description: page},
	"get-profile":    {description: secrets},
	"put-profile":    {description: put},
	"patch-profile":  {description: patch},
	"delete-profile": {description: "With force, the devices and profiles that name it stay without it.", conflict: "Devices or profiles use it, and they are listed."},

	"list-discovered":   {description: page},
	"get-discovered":    {description: "404 when the phone is not on the list, or has a device record."},
	"adopt-discovered":  {description: "Vendor and model are those that were recognised. A model that the pack does not have is left out.", conflict: "The MAC has a device already."},
	"forget-discovered": {description: "The phone is listed again when it is seen again. In a cluster it is taken off the lists of all members that answer."},

	"explain": {description: "The question is mac, or path and ip. Nothing is changed, and no packet is sent."},

	"list-leases":  {description: "Sorted by address. A subnet that the configuration does not have is an error. " + page},
	"delete-lease": {description: "The client keeps using the address until it renews its lease, so the address may be leased twice meanwhile."},
	"import-leases": {description: "Reservations become `reserved_ip` of device records, in one change that can be undone; a client without a record gets one. Each lease gets a verdict with its reason; those that can be imported are written like any lease. From then on an imported lease is proof of the phone's address, " +
		"as one that was given here. A lease without an end is kept for a year."},
	"list-subnets":   {description: "In the order of the configuration."},
	"list-incidents": {description: "Other DHCP servers, addresses that other hosts use, and security events; what was seen last comes first. At most 200 are kept, in memory: the list is empty after a restart."},
	"get-cluster":    {description: "It is what this member has seen; the servers of etcd are queried. A single appliance answers enabled: false."},
	"list-boots":     {description: "The oldest minute comes first. They are counted in memory: a restart begins at 0."},

	"list-windows": {description: "Only windows that are open."},
	"enroll-all": {description: "For the time given, files of all phones need no proof, and leases of new phones that wait are accepted as proof again. " +
		"A duration of 0s closes the window."},
	"enroll-device": {description: "For the time given, files of this phone need no proof. A duration of 0s closes the window. " +
		"A window without from, or from a network larger than /8, needs the role admin."},
	"get-credentials": {description: "The user is absent while the phone has none. " + secrets},
	"rotate-credentials": {description: "The old password is accepted until the phone has used the new one.",
		conflict: "The phone has not used its last password yet; force replaces it, and the one before is not accepted any more."},
	"export-credentials": {description: "The columns are mac, vendor, model, label, url, user and password, as vendors' redirect services take them. The export is noted in the audit log."},

	"list-vendors": {description: "Packs that come with plugtone and the operator's own ones."},
	"get-vendor":   {description: "With files, settings, key types, DHCP options and sources."},

	"list-tokens":  {description: "The secrets are not stored and therefore not listed."},
	"post-token":   {description: "The daemon stores only a digest of the secret.", conflict: "A token with this name exists already."},
	"delete-token": {description: "Requests with the token are refused from then on."},

	"post-web-login": {description: "The address can be used for five minutes. The session has the caller's role and name. plugtone web calls this over the unix socket.",
		conflict: "No admin listener has a TCP address."},
	"get-status": {description: "What runs, what does not, and what needs attention."},
	"list-audit": {description: "Each entry has the author, the action and the records touched, never their contents. " + page},
	"reload": {description: "With force also when subnets with active leases or the vendor packs of devices are left out, or an interface is missing.",
		conflict: "The new configuration or a pack has errors, which are listed; the old one stays in force."},
	"get-backup": {description: "A tar stream, noted in the audit log. An error after the first byte closes the connection."},
	"follow-events": {description: "The event \"entry\" has a timeline entry as data; \"lost\" has the number of entries that were lost because the reader did not keep up, " +
		"0 when it is not known after a reconnect. A reader that reconnects with Last-Event-ID gets what it missed, as far as it is kept. " +
		"In a cluster, with mac, it also has what the other members add, without an id."},
}

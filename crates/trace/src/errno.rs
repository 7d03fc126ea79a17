//! The names of the kernel's error numbers.

macro_rules! names {
    ($($name:ident)*) => {
        /// The name of an error number, as in errno(3); `E?` for a number that Linux does not use.
        pub const fn errno_name(number: i32) -> &'static str {
            match number {
                0 => "0",
                $(libc::$name => stringify!($name),)*
                _ => "E?",
            }
        }

        #[cfg(test)]
        const KNOWN: &[(i32, &str)] = &[$((libc::$name, stringify!($name)),)*];
    };
}

// include/uapi/asm-generic/errno-base.h and errno.h, in the order of their numbers on most machines.
names! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
    ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG
    ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP
    ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL
    ENOANO EBADRQC EBADSLT EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV
    ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD
    ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE
    EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT
    EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN
    ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY
    EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE
    ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL
    EHWPOISON
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_linux_has_one_name() {
        assert_eq!(KNOWN.len(), 131);
        for (number, name) in KNOWN {
            assert_eq!(errno_name(*number), *name);
        }
        // 41 and 58 are the two holes in the kernel's list.
        let holes: Vec<i32> = (1..=133)
            .filter(|number| errno_name(*number) == "E?")
            .collect();
        assert_eq!(holes, [41, 58]);
    }
}

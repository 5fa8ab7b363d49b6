"""English: its abbreviations, and the words that begin and lead on sentences."""

from __future__ import annotations

from streamer.text.rules.base import Rules, words

ENGLISH = Rules(
    titles=words(
        """
        mr mrs ms mx dr drs prof profs rev messrs capt cmdr sgt cpl pvt lt mme mlle msgr supt
        Gen Rep Sen Col Fr Hon Det Maj Adm Pres Gov Mt Insp Atty Brig
        """
    ),
    inner=words(
        """
        e.g i.e eg ie cf vs viz ca approx aka a.k.a w.r.t incl excl resp esp d.b.a n.b p.s nr
        """
    ),
    endable=words(
        """
        inc corp co ltd llc plc bros jr sr esq dept univ assn assoc asst govt intl natl mgmt mfg
        st ste ave blvd rd hwy pkwy bldg Apt Sq Ct Pl Ln
        jan feb aug sep sept oct nov dec Mar Apr Jun Jul
        Mon Tue Tues Wed Thu Thur Thurs Fri Sat Sun
        ft lb lbs oz hr hrs min mins sec secs yr yrs km cm mm kg mg ml mph kph gal tbsp tsp
        al est ext tel fax misc avg qty amt acct pkg vol vols fig figs ch chs pp sect eq eqs ver
        nos ed eds trans cont op rm min max ph.d ed.d b.sc m.sc b.eng m.eng d.phil m.phil ll.b ll.m ibid
        Calif Conn Mass Ariz Fla Tex Penn Colo Minn Tenn Wis Va Md Ont Ala Ga Ky Okla Ore Wash
        """
    ),
    closing=words("etc"),
    numbered=words("no art ex app pt para"),
    clock=words("a.m p.m"),
    after_clock=words(
        """
        eastern central mountain pacific atlantic greenwich est edt et cst cdt ct mst mdt mt pst
        pdt pt gmt utc cet cest bst ist jst
        monday tuesday wednesday thursday friday saturday sunday
        january february march april may june july august september october november december
        """
    ),
    fronted=words(
        """
        at on by around about before after from until till since between tomorrow yesterday today
        tonight this every each past
        """
    ),
    starters=words(
        """
        a an the this that these those there here then now so but and or yet if when while where
        who what why how which whose i i'm i've i'll i'd he he's she she's it it's its we we're
        we've we'll you you're you'll they they're my your his her our their in on at for from to
        with by of after before during since until as is are was were do does did don't didn't
        can can't could would should has have had let let's please thanks thank yes no not never
        also however therefore meanwhile instead still although because once first second third
        next finally later today tomorrow yesterday some many most all each every another both
        one two three nothing everything everyone someone anything anyone
        something nobody maybe perhaps just only even
        after unlike despite overall otherwise moreover besides sometimes often again what's
        that's there's here's who's where's how's isn't aren't wasn't won't
        """
    ),
    leading=words(
        """
        a an the of to in on at by for with from into onto upon over under about between through
        and or but nor as than that if because while although unless until
        my your our his her its their this these those some any every each no
        is are was were be been being am has have had do does did will would can could shall
        should may might must not very so too just only really i you he she it we they who which
        """
    ),
    exclaimed=words("yahoo jeopardy joomla"),
)
